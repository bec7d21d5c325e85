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
    /// Proposes a command to the mesh and waits until this node has applied it.
    func submit(_ command: AuthorityCommand) async throws(CoreRefusal) -> CommittedReply
    /// Returns once `view` reflects everything that was committed anywhere before the call (read index, Ongaro's
    /// thesis §6.4).
    func readBarrier() async throws(CoreRefusal)
    /// Takes a node out of the configuration; returns when that is committed.
    func removeMember(_ node: NodeID) async throws(CoreRefusal)
    /// The current view and then every newer one; a slow reader misses intermediate ones.
    func updates() -> AsyncStream<ClusterView>
    /// Hands the newest load to gossip, e.g. after a request started or ended.
    func publish(_ section: HealthSection)
}

package struct CommittedReply: Sendable {
    package let reply: AuthorityReply
    package let index: LogIndex

    package init(reply: AuthorityReply, index: LogIndex) {
        self.reply = reply
        self.index = index
    }
}
