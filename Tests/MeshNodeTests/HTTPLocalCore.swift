import Authority
import Foundation
import MeshNode
import NodeCore
import Primitives
import Raft
import SecureChannel
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
        var lagEndsWithCommand = false
        var origin = MeshOrigin.none
    }

    static let cluster = [UInt8](repeating: 9, count: 16)
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
    /// The next command's answer comes with a view that is up to date.
    func lagUntilNextCommand() {
        lag()
        change { $0.lagEndsWithCommand = true }
    }
    /// The log understands everything from here on, and this node is the one that may sign what needs it: any signature is
    /// good.
    func becomeCore(_ identity: Identity) {
        let keys = identity.publicIdentity
        guard let exchange = Bytes32(keys.exchangeKey), let signing = Bytes32(keys.signingKey) else { return }
        let member = RosterMember(
            name: Label(sanitising: "aurora"), node: me, exchangeKey: exchange, signingKey: signing,
            replica: ReplicaID(1), isCore: true, rank: 0, mayVote: true, endpoint: nil)
        change {
            $0.origin = MeshOrigin(cluster: Self.cluster, members: [member]) { _, _, _ in true }
            $0.authority.raise(to: .current)
        }
    }
    /// A new secret, in use at once.
    func rotate(_ dataKey: DataKeyDraft?) {
        let roster = view.authority.roster
        let copies = [SecretRotation.Copy(node: me, sealed: [1])]
        guard let fingerprint = Bytes32(Array(repeating: 1, count: 32)) else { return }
        let rotation = SecretRotation(
            epoch: roster.secrets.newest + 1, fingerprint: fingerprint, copies: copies,
            dataKey: dataKey.map { draft in
                DataKeyRotation(
                    copies: draft.copies.map { .init(node: $0.node, sealed: $0.sealed) }, older: draft.older)
            })
        apply(
            .changeRoster(
                SignedRecord(
                    signer: me, revision: roster.revision, record: .rotateSecret(rotation),
                    signature: Array(repeating: 0, count: SignedRecord.signatureByteCount))))
        apply(.activateSecret(epoch: rotation.epoch))
    }
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
            var bytes = envelope.encode()
            if command.needsCoreWord, state.authority.featureLevel >= .coreWords {
                bytes = CoreWord.append(to: bytes, cluster: Self.cluster, signer: me) { _ in
                    Array(repeating: 0, count: SignedRecord.signatureByteCount)
                }
            }
            let applied = state.authority.apply(bytes, at: LogIndex(state.index), time: time, origin: state.origin)
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
        let reply = apply(command)
        change {
            if $0.lagEndsWithCommand { $0.shown = nil }
            $0.lagEndsWithCommand = false
        }
        answer(.success(reply))
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
            me: me, name: "aurora", clusterID: Self.cluster,
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
