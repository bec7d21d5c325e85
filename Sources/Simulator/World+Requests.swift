import Authority
import NodeCore
import Primitives

// What clients of the world ask of its nodes.
extension World {
    package mutating func submit(_ command: AuthorityCommand, to node: Int) -> RequestID {
        let request = takeRequest()
        if nodes[node].isRunning {
            step(node, .submit(request, command))
        } else {
            answers[request] = Answered(.refused(.stopping), at: now)
        }
        return request
    }

    /// Asks a node to have another, or itself, taken out of the configuration.
    package mutating func removeMember(_ member: Int, on node: Int) -> RequestID {
        let request = takeRequest()
        if nodes[node].isRunning {
            step(node, .removeMember(request, nodes[member].id))
        } else {
            answers[request] = Answered(.refused(.stopping), at: now)
        }
        return request
    }

    package mutating func readBarrier(at node: Int) -> RequestID {
        let request = takeRequest()
        reads.noteAsked(request, at: now, committed: logs.committedThrough)
        if nodes[node].isRunning {
            step(node, .readBarrier(request))
        } else {
            answers[request] = Answered(.refused(.stopping), at: now)
        }
        return request
    }

    /// A linearizable read: what it found comes with its answer.
    mutating func read(_ key: ValueKey, at node: Int) -> RequestID {
        readKeys[RequestID(nextRequest)] = key
        return readBarrier(at: node)
    }

    mutating func note(_ answer: NodeAnswer, to request: RequestID, of node: Int) {
        var answered = Answered(answer, at: now)
        checkRead(answer, request, of: node)
        if let key = readKeys.removeValue(forKey: request), case .readable = answer {
            answered.found = nodes[node].read { $0.authority.values[key] } ?? nil
        }
        answers[request] = answered
    }

    /// The client went away.
    mutating func forget(_ request: RequestID, on node: Int) { step(node, .forget(request)) }

    mutating func takeAnswer(to request: RequestID) -> NodeAnswer? { takeAnswered(request)?.answer }

    mutating func takeAnswered(_ request: RequestID) -> Answered? { answers.removeValue(forKey: request) }

    mutating func takeRequest() -> RequestID {
        defer { nextRequest += 1 }
        return RequestID(nextRequest)
    }
}

/// What a client was told, and when.
struct Answered: Sendable {
    let answer: NodeAnswer
    let at: Instant
    /// What a read found.
    var found: StoredValue?

    init(_ answer: NodeAnswer, at: Instant) {
        self.answer = answer
        self.at = at
    }
}
