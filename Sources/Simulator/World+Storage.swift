import Primitives
import Raft

// What tests of the storage need to see and harm.
extension World {
    /// The files of a node that is down or up, as its next recovery would read them.
    package func disk(of node: Int) -> SimulatedDisk { nodes[node].disk }

    /// Inverts one bit of what is on a node's disk; false if there is no such byte.
    package mutating func flipBit(_ bit: Int, of file: String, on node: Int) -> Bool {
        nodes[node].disk.flipBit(bit, of: file)
    }
}
