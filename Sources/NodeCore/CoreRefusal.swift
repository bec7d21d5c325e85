/// Why the mesh did not do what was asked.
package enum CoreRefusal: Error, Hashable, Sendable {
    /// No primary within reach. Nothing was appended anywhere: answer 503 with `Retry-After`.
    case noQuorum
    /// The command may or may not take effect later: answer 504 `outcome-unknown`, and do not repeat it blindly.
    case outcomeUnknown
    /// Too many requests wait already; nothing was appended.
    case overloaded
    /// The node is shutting down or its disk failed; nothing was appended.
    case stopping

    /// A short name for machines: the last part of a problem type (RFC 9457 §3.1.1).
    package var code: String {
        switch self {
        case .noQuorum: "no-quorum"
        case .outcomeUnknown: "outcome-unknown"
        case .overloaded: "overloaded"
        case .stopping: "stopping"
        }
    }

    package var httpStatus: Int {
        self == .outcomeUnknown ? 504 : 503
    }

    /// What happened and what to do next, for a person.
    package var explanation: String {
        switch self {
        case .noQuorum:
            "this node reaches no primary, so nothing was changed; try again shortly or ask another node"
        case .outcomeUnknown:
            "the primary was lost on the way, so this may or may not take effect; look before you repeat it"
        case .overloaded: "too many requests wait on this node and nothing was changed; try again shortly"
        case .stopping: "this node is stopping and changed nothing; ask another node"
        }
    }
}
