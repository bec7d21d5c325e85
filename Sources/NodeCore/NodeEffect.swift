import Authority
import Gossip
import Primitives
import Raft
import SecureChannel

/// What a node's brain asks of its runtime, in order. What is rare and large is stored indirectly: effects are moved all
/// the time.
package enum NodeEffect: Sendable {
    case sendDatagram([UInt8], to: Endpoint)
    /// Send over the sealed stream to that node, connecting first if need be. May be lost with the connection.
    case sendStream([UInt8], kind: FrameKind, to: NodeID, at: Endpoint)
    /// Run these in order, then give back `NodeInput.diskDone` with the write's number. One write at a time.
    case disk(write: UInt64, [DiskOperation])
    /// Run this beside the loop, then give back `NodeInput.worked`.
    indirect case work(SnapshotWork)
    /// Keep this, an encoded `RosterTable`, in place of what was kept before: whom this node speaks with after a restart,
    /// before its log has said so again.
    indirect case keepRoster([UInt8])
    /// Keep this, encoded `RevocationNews`, in place of what was kept before: who was revoked by the word of peers alone, so
    /// that a restart does not forget it before the log says so.
    indirect case keepRevocations([UInt8])
    /// Keep these durably in place of what was kept before, and use them for streams from now on; then give back
    /// `NodeInput.keysKept`. One at a time.
    indirect case keepKeys(ChannelKeys)
    indirect case answer(RequestID, NodeAnswer)
    /// Hand this to whoever follows its topic here; it was published at that node.
    indirect case broadcast(Broadcast, from: NodeID)
    /// Something worth a line in the log, the interface or a trace.
    indirect case event(NodeEvent)
}

package enum NodeAnswer: Hashable, Sendable {
    /// The command was committed and this node has applied it.
    case committed(AuthorityReply, at: LogIndex)
    /// This node has applied everything that was committed before the barrier was asked for.
    case readable(LogIndex)
    case refused(CoreRefusal)
}

package enum NodeEvent: Hashable, Sendable {
    case roleChanged(Consensus.Role, Term, leader: NodeID?)
    case memberChanged(Member)
    case applied(LogIndex, AuthorityReply)
    /// The state was replaced by a leader's snapshot.
    case installed(LogPosition)
    /// A leader's snapshot means nothing to this version of the program.
    case snapshotRefused(LogPosition)
    /// The disk takes no entries: this node refuses writes, and tries again. It still votes.
    case diskFull
    /// The node no longer takes part: its disk failed. A restart recovers what was durable.
    case halted(String)
}
