import Authority
import NodeCore
import Primitives

/// The node's brain as HTTP handlers see it: a published view to read, commands to submit. Safe from any thread; never
/// blocks one.
package protocol MeshCore: Sendable {
    /// The latest published view.
    var view: ClusterView { get }
    /// The clock that the view's deadlines are on.
    func now() -> Instant
    /// Proposes a command to the mesh; answers, on any thread, once this node has applied it.
    func submit(
        _ command: AuthorityCommand, then answer: @escaping @Sendable (Result<CommittedReply, CoreRefusal>) -> Void)
    /// Answers, on any thread, once `view` reflects everything that was committed anywhere before the call (read index,
    /// Ongaro's thesis §6.4).
    func readBarrier(then answer: @escaping @Sendable (Result<Void, CoreRefusal>) -> Void)
    /// Takes a node out of the configuration; answers, on any thread, once that is committed.
    func removeMember(_ node: NodeID, then answer: @escaping @Sendable (Result<Void, CoreRefusal>) -> Void)
    /// Takes together what `body` asks for: better than one by one where there is much of it.
    func together(_ body: () -> Void)
    /// The current view and then every newer one; a slow reader misses intermediate ones.
    func updates() -> AsyncStream<ClusterView>
    /// Tells an event that nobody keeps to every member, at most once; returns why not.
    func broadcast(_ event: Broadcast) -> CoreRefusal?
    /// Hands on such events, whoever published them.
    var topics: TopicHub { get }
    /// Hands the newest load to gossip, e.g. after a request started or ended.
    func publish(_ section: HealthSection)
}

extension MeshCore {
    package func together(_ body: () -> Void) { body() }

    package func submit(_ command: AuthorityCommand) async throws(CoreRefusal) -> CommittedReply {
        try await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<CommittedReply, CoreRefusal>, Never>) in
            submit(command) { continuation.resume(returning: $0) }
        }.get()
    }

    package func readBarrier() async throws(CoreRefusal) {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Result<Void, CoreRefusal>, Never>) in
            readBarrier { continuation.resume(returning: $0) }
        }.get()
    }

    package func removeMember(_ node: NodeID) async throws(CoreRefusal) {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Result<Void, CoreRefusal>, Never>) in
            removeMember(node) { continuation.resume(returning: $0) }
        }.get()
    }
}

package struct CommittedReply: Sendable {
    package let reply: AuthorityReply
    package let index: LogIndex

    package init(reply: AuthorityReply, index: LogIndex) {
        self.reply = reply
        self.index = index
    }
}
