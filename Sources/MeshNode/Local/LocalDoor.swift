import Authority
import Foundation
import Gossip
import HTTPTypes
import NodeCore
import Primitives

/// Who comes in through the local socket, and how far that reaches.
///
/// Whoever runs as the agent's user can read its keys already, so the kernel's word for that user counts as an
/// administrator's, by a name that no person has: `local@aurora`. That name is what the agent's log and the author of a
/// stored value show. It is in no table, so it has no session, no keys and no password, and it exists on this node alone.
///
/// Three things stay closed, because they would hand out more than this machine's own word:
/// - signing in and making API keys: both act for a person, everywhere, and outlive the access that made them;
/// - prompts: the agent that serves one checks the caller in its own tables, where this one is not;
/// - on a node of class `edge`, which can be stolen, all that reads or changes what belongs to people.
package struct LocalDoor: Sendable {
    /// No user of the mesh may be called so.
    package static let namePrefix = "local@"

    package let table: RouteTable
    let user: UserName
    private let trustClass: TrustClass

    package init(_ config: NodeConfig) {
        table = .local
        trustClass = config.trustClass
        // Node names are ASCII without control characters; a long one is cut to what a user name holds.
        let name = Self.namePrefix + config.name.prefix(64 - Self.namePrefix.utf8.count)
        guard let user = UserName(name) else { preconditionFailure("\(name) is no user name") }
        self.user = user
    }

    package func admit(_ operation: Operation, view: ClusterView, now: Instant) throws(Problem) -> Caller {
        let reach = Self.reach(of: operation)
        switch reach {
        case .everyNode: break
        case .coreNode, .coreNodeAlone:
            guard trustClass == .core, view.mayGrant(view.me) else {
                if case .coreNodeAlone = reach { throw .notOnEdge(view) }
                throw .notThroughSocket(
                    "This node's class is `edge`: here, what belongs to people needs a person's own sign-in.")
            }
        case .nowhere(let reason): throw .notThroughSocket(reason)
        }
        return Caller(user: user, role: .admin, proof: .local, isCutOff: !view.isFresh(at: now))
    }

    private enum Reach {
        case everyNode
        case coreNode
        /// An edge node's HTTP port refuses it as well.
        case coreNodeAlone
        case nowhere(String)
    }

    private static func reach(of operation: Operation) -> Reach {
        switch operation {
        case .health, .live, .ready, .metrics, .keySet, .me, .status, .events, .explainRoute, .leave, .showSecret,
            .listRoster:
            .everyNode
        case .sessions, .endSession, .endSessions, .listValues, .readValue, .writeValue, .deleteValue, .listLocks,
            .acquireLock, .renewLock, .releaseLock, .publishEvent, .followTopic, .removeMember, .listUsers,
            .createUser, .setRole, .setPassword, .removeUser, .listKeys, .removeKey, .listTokens:
            .coreNode
        case .rotateSecret, .createToken, .removeToken, .revokeNode: .coreNodeAlone
        case .login, .refresh, .logout, .browserToken: .nowhere("Nobody signs in through the local socket.")
        case .createKey: .nowhere("An API key acts for a person, who must sign in to make it.")
        case .ollamaVersion, .ollamaTags, .ollamaChat, .ollamaGenerate, .openAIModels, .openAIModel, .openAIChat:
            .nowhere("Prompts are asked in a person's name.")
        case .home, .interfaceFile: .nowhere("The interface is for browsers.")
        }
    }
}

extension Problem {
    fileprivate static func notOnEdge(_ view: ClusterView) -> Problem {
        let cores = view.members.filter { $0.state == .alive && $0.id != view.me && view.mayGrant($0.id) }
        let places = cores.compactMap { core in core.descriptor.map { "\(core.name) (\($0.http))" } }
        return Problem(
            "not-core", .forbidden, "Only on core nodes",
            detail: "This node's class is `edge`, and only core nodes change the mesh itself. Run this on one of them"
                + (places.isEmpty ? "." : ": \(places.joined(separator: ", "))."))
    }

    fileprivate static func notThroughSocket(_ reason: String) -> Problem {
        Problem(
            "not-through-socket", .forbidden, "Not through the local socket",
            detail: reason + " Sign in with --user, at an address (--url or --config).")
    }
}
