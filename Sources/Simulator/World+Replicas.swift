import NodeCore
import Primitives
import Raft

// Disks that are lost, and programs of other versions.
extension World {
    /// A new disk in a machine that is down: its configuration and keys are as before, and it is another replica.
    package mutating func wipe(_ node: Int) {
        precondition(!nodes[node].isRunning, "\(nodes[node].name) runs; stop it first")
        nodes[node].disk.wipe()
        nodes[node].replica = ReplicaID(random.next())
        provisionDisk(of: node)
        nodes[node].disk.isHarmed = false
    }

    /// From its next start on the node runs a program that understands this much.
    package mutating func install(_ level: FeatureLevel, on node: Int) { nodes[node].featureLevel = level }

    package func replica(of node: Int) -> ReplicaID { nodes[node].replica }

    /// Why the node's brain takes part no longer; nil while it does.
    package func haltReason(of node: Int) -> String? { nodes[node].brain?.haltReason }

    package func answer(to request: RequestID) -> NodeAnswer? { answers[request] }
}
