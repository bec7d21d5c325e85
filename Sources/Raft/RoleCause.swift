/// What last changed a replica's role, term or leader. For who reads an agent's log: nothing goes by it.
package enum RoleCause: String, Sendable, CustomStringConvertible {
    case silence = "no primary was heard within the election timeout"
    case handOver = "the primary asked this node to take over"
    case unclaimed = "who was asked to take over did not"
    case elected = "a majority voted for this node"
    case laterTerm = "another node began a later term"
    case heard = "a primary was heard"
    case unanswered = "no majority answered within the election timeout"
    case hungDisk = "the disk did not finish a write in time"
    case notProvided = "the configuration does not let this node lead"

    package var description: String { rawValue }
}
