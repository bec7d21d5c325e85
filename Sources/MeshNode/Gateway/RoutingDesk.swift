import Gossip
import NodeCore
import Primitives
import Routing
import Synchronization

/// The node's one `Router` behind a lock, fed from the published view: every event loop decides with the same knowledge
/// and teaches the same models.
package final class RoutingDesk: Sendable {
    private struct State {
        var router = Router()
        var random: SeededRandom
        var viewTakenAt: Instant?
    }

    private let state: Mutex<State>

    /// - Parameter seed: for choices among near ties; differs by node, so that equals do not all choose alike.
    package init(seed: UInt64) { state = Mutex(State(random: SeededRandom(seed: seed))) }

    /// - Parameter ownLoad: fresher than what gossip knows of this node.
    package func decide(
        _ request: RoutingRequest, view: ClusterView, ownLoad: Load, now: Instant
    ) -> Result<RoutingDecision, RoutingRefusal> {
        state.withLock { state in
            Self.refresh(&state, view: view, ownLoad: ownLoad, now: now)
            return state.router.decide(request, now: now, random: &state.random)
        }
    }

    package func noteStarted(_ candidate: Candidate, promptTokens: Int, now: Instant) -> RequestTicket {
        state.withLock { $0.router.noteStarted(candidate, promptTokens: promptTokens, now: now) }
    }

    package func noteMissedFirstByte(_ ticket: RequestTicket, now: Instant) {
        state.withLock { $0.router.noteMissedFirstByte(ticket, now: now) }
    }

    package func noteFinished(_ ticket: RequestTicket, _ outcome: RequestOutcome, now: Instant) {
        state.withLock { $0.router.noteFinished(ticket, outcome, now: now) }
    }

    /// A draw for whoever needs one next to a decision, such as a retry's delay.
    package func draw<T>(_ body: (inout SeededRandom) -> T) -> T { state.withLock { body(&$0.random) } }

    package func ownInFlight(at node: NodeID) -> Int { state.withLock { $0.router.health.ownInFlight(at: node) } }

    private static func refresh(_ state: inout State, view: ClusterView, ownLoad: Load, now: Instant) {
        if state.viewTakenAt != view.takenAt {
            state.viewTakenAt = view.takenAt
            state.router.update(view.members.map { observation(of: $0, view: view) })
        }
        state.router.update(view.me, load: ownLoad, receivedAt: now)
    }

    private static func observation(of member: MemberView, view: ClusterView) -> NodeObservation {
        NodeObservation(
            node: member.id, name: member.name, isSelf: member.isSelf, standing: standing(of: member, in: view),
            roundTrip: member.roundTrip, vitals: member.health?.vitals,
            load: member.isSelf ? nil : member.health?.load, catalogs: member.health?.catalog.map { [$0] } ?? [],
            receivedAt: member.health?.receivedAt ?? view.takenAt)
    }

    private static func standing(of member: MemberView, in view: ClusterView) -> HealthTable.Standing {
        if member.isSelf { return .alive }
        switch member.state {
        // Until its descriptor arrives, nobody knows where it listens.
        case .alive: return member.descriptor == nil ? .gone : .alive
        case .suspect: return .suspect
        case .dead, .left: return .gone
        }
    }
}
