import Authority
import Foundation
import MeshNode
import NodeCore
import Primitives
import Raft
import Synchronization

/// A mesh of one without a log: commands are applied to a real `AuthorityState` at once. Time stands still until a test
/// moves it, and a test may take the primary away.
final class LocalCore: MeshCore {
    private struct State {
        var authority = AuthorityState()
        var index: UInt64 = 0
        var sequence: UInt64 = 0
        var now = Instant(nanoseconds: 1_000_000_000)
        var hasPrimary = true
        var freshUntil = Instant.distantFuture
        var nextRefusal: CoreRefusal?
        var listeners: [AsyncStream<ClusterView>.Continuation] = []
        var submitted: [AuthorityCommand] = []
        var members: [MemberView] = []
        var removed: [NodeID] = []
        var roster = Roster.empty
        /// What the view shows while the node lags behind the log.
        var shown: (authority: AuthorityState, index: UInt64)?
    }

    static let unixStart = UnixTime(milliseconds: 1_800_000_000_000)
    let me: NodeID
    private let state = Mutex(State())

    init(me: NodeID) {
        self.me = me
        _ = apply(.anchorClock(Self.unixStart))
        // Nobody here signs what needs a core node's word.
        change { $0.authority.raise(to: .topics) }
    }

    var view: ClusterView { state.withLock { makeView($0) } }
    func now() -> Instant { state.withLock { $0.now } }
    var removed: [NodeID] { state.withLock { $0.removed } }
    var submitted: [AuthorityCommand] { state.withLock { $0.submitted } }

    func advance(by span: Duration) { change { $0.now += span } }
    func losePrimary() {
        change {
            $0.hasPrimary = false
            $0.freshUntil = $0.now
        }
    }
    /// As on a node that was just started, and has heard from nobody.
    func forgetPrimary() {
        change {
            $0.hasPrimary = false
            $0.freshUntil = .zero
        }
    }
    /// From now on the view shows nothing new, as on a node that has yet to apply what others know.
    func lag() { change { $0.shown = ($0.authority, $0.index) } }
    func catchUp() { change { $0.shown = nil } }
    func refuseNext(_ refusal: CoreRefusal) { change { $0.nextRefusal = refusal } }
    func setRoster(_ roster: Roster) { change { $0.roster = roster } }
    func setMembers(_ members: [MemberView]) { change { $0.members = members } }

    @discardableResult
    func apply(_ command: AuthorityCommand) -> CommittedReply {
        change { state in
            state.index += 1
            state.sequence += 1
            let envelope = CommandEnvelope(
                client: 7, bornAt: .zero, sequence: state.sequence, lowestUnacknowledged: state.sequence,
                command: command)
            let time = LogTime(milliseconds: state.now.nanoseconds / 1_000_000)
            let applied = state.authority.apply(envelope.encode(), at: LogIndex(state.index), time: time)
            return CommittedReply(reply: applied.reply, index: LogIndex(state.index))
        }
    }

    func submit(
        _ command: AuthorityCommand, then answer: @escaping @Sendable (Result<CommittedReply, CoreRefusal>) -> Void
    ) {
        let refusal = state.withLock { state -> CoreRefusal? in
            state.submitted.append(command)
            defer { state.nextRefusal = nil }
            return state.nextRefusal ?? (state.hasPrimary ? nil : .noQuorum)
        }
        if let refusal { return answer(.failure(refusal)) }
        answer(.success(apply(command)))
    }

    func readBarrier(then answer: @escaping @Sendable (Result<Void, CoreRefusal>) -> Void) {
        answer(state.withLock { $0.hasPrimary } ? .success(()) : .failure(.noQuorum))
    }

    func removeMember(_ node: NodeID, then answer: @escaping @Sendable (Result<Void, CoreRefusal>) -> Void) {
        guard state.withLock({ $0.hasPrimary }) else { return answer(.failure(.noQuorum)) }
        change { $0.removed.append(node) }
        answer(.success(()))
    }

    func updates() -> AsyncStream<ClusterView> {
        let (stream, continuation) = AsyncStream<ClusterView>.makeStream(bufferingPolicy: .bufferingNewest(1))
        state.withLock { state in
            continuation.yield(makeView(state))
            state.listeners.append(continuation)
        }
        return stream
    }

    func publish(_ section: HealthSection) {}

    let topics = TopicHub()
    func broadcast(_ event: Broadcast) -> CoreRefusal? {
        topics.deliver(event, from: me)
        return nil
    }

    private func change<Value>(_ body: (inout State) -> Value) -> Value {
        state.withLock { state in
            let value = body(&state)
            let view = makeView(state)
            for listener in state.listeners { listener.yield(view) }
            return value
        }
    }

    private func makeView(_ state: State) -> ClusterView {
        let index = LogIndex(state.shown?.index ?? state.index)
        return ClusterView(
            me: me, name: "aurora", clusterID: Array(repeating: 9, count: 16),
            consensus: ConsensusView(
                term: Term(3), role: .leader, leader: state.hasPrimary ? me : nil,
                leaderValidUntil: state.hasPrimary ? .distantFuture : .zero,
                freshUntil: state.freshUntil, commitIndex: index, appliedIndex: index,
                voters: [me]),
            members: state.members, isIsolated: false, authority: state.shown?.authority ?? state.authority,
            logTime: LogTime(milliseconds: state.now.nanoseconds / 1_000_000), takenAt: state.now,
            counters: NodeCounters(), roster: state.roster)
    }
}
