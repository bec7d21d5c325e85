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
            answers[request] = .refused(.stopping)
        }
        return request
    }

    /// Asks a node to have another, or itself, taken out of the configuration.
    package mutating func removeMember(_ member: Int, on node: Int) -> RequestID {
        let request = takeRequest()
        if nodes[node].isRunning {
            step(node, .removeMember(request, nodes[member].id))
        } else {
            answers[request] = .refused(.stopping)
        }
        return request
    }

    package mutating func readBarrier(at node: Int) -> RequestID {
        let request = takeRequest()
        if nodes[node].isRunning {
            step(node, .readBarrier(request))
        } else {
            answers[request] = .refused(.stopping)
        }
        return request
    }

    /// The client went away.
    mutating func forget(_ request: RequestID, on node: Int) { step(node, .forget(request)) }

    mutating func takeAnswer(to request: RequestID) -> NodeAnswer? { answers.removeValue(forKey: request) }

    mutating func takeRequest() -> RequestID {
        defer { nextRequest += 1 }
        return RequestID(nextRequest)
    }
}
