import Authority
import Primitives
import SecureChannel

/// Names one request of the surroundings; the answer carries it back. Chosen by the caller, unique per process life.
package struct RequestID: Hashable, Comparable, Sendable {
    package let value: UInt64
    package init(_ value: UInt64) { self.value = value }
    package static func < (a: RequestID, b: RequestID) -> Bool { a.value < b.value }
}

/// Everything that can happen to a node, besides time passing. What is rare and large is stored indirectly: inputs are
/// moved all the time.
package enum NodeInput: Sendable {
    /// A datagram as it arrived, still sealed.
    case datagram([UInt8], from: Endpoint)
    /// A message that arrived whole on a sealed stream.
    case streamMessage([UInt8], kind: FrameKind, from: AuthenticatedPeer)
    /// A connection to this node ended, or was refused at its address: it may be gone.
    case connectionLost(NodeID)
    /// Every operation of a `NodeEffect.disk` write is durable.
    case diskDone(write: UInt64)
    /// `NodeEffect.work` is done.
    indirect case worked(SnapshotWork.Outcome)
    /// The keys of the last `NodeEffect.keepKeys` are durable, or (false) could not be written.
    case keysKept(Bool)
    /// There was no space for the write; nothing of it counts, and the disk is as before it.
    case diskFull(write: UInt64)
    /// The disk failed, which is final: this node stops taking part.
    case diskFailed(String)
    /// Propose a command to the mesh; answered by `NodeEffect.answer`.
    indirect case submit(RequestID, AuthorityCommand)
    /// Wait until this node has applied all that was committed before; answered by `NodeEffect.answer`.
    case readBarrier(RequestID)
    /// Take a node out of the configuration; answered by `NodeEffect.answer` when that is committed.
    case removeMember(RequestID, NodeID)
    /// The caller no longer waits; drop the request if it has not been sent.
    case forget(RequestID)
    /// This node's own newest health.
    indirect case publish(HealthSection)
    /// Tell every member at most once.
    indirect case broadcast(Broadcast)
    /// Milliseconds since 1970 as this machine believes; used only by a leader to anchor the log's clock.
    case wallClock(unixMilliseconds: Int64)
    /// The process did not run for this long (suspended, stopped, starved): nobody else was silent meanwhile.
    case paused(Duration)
    /// Say goodbye to the mesh before stopping.
    case leave
}
