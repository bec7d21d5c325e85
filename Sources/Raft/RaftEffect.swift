import Primitives

/// What consensus asks of its surroundings, in order. The order is the contract: a message that must not be seen
/// before a write is durable is not emitted until `handlePersisted` says so.
///
/// What is rare and large is stored indirectly: effects are moved all the time.
package enum RaftEffect: Hashable, Sendable {
    /// Make durable, then call `handlePersisted(write.sequence)`.
    case persist(DurableWrite)
    /// Send now; losing, delaying or repeating it is safe.
    case send(RaftMessage, to: ReplicaID)
    /// Committed entries, each exactly once per process life, in index order.
    case apply([Entry])
    /// Replace the applied state by the snapshot of this position, which was handed out by `.checkSnapshot`.
    indirect case install(SnapshotMetadata)
    /// A leader sent this whole snapshot: find out whether it can be installed, then call `handleSnapshotChecked`.
    indirect case checkSnapshot(Snapshot)
    /// A follower needs a snapshot: take one of the applied state, then call `handleSnapshotTaken`.
    case takeSnapshot
    /// Role, term or known leader changed.
    case roleChanged
    /// Another configuration is in force than was told last; none was told before the first.
    case configurationChanged
    /// Answer to `requestRead`: state applied through `index` is linearizable for this read (thesis §6.4).
    case readReady(id: UInt64, index: LogIndex)
    /// Answer to `requestRead`: there is no leader to confirm it with; try again.
    case readFailed(id: UInt64)
}
