import Authority
import Primitives
import Raft

/// What snapshots cost processor time for: done beside the loop, since a large state takes longer than a heartbeat.
/// Pure, so that the simulator runs the same code.
package enum SnapshotWork: Sendable {
    /// Put the state into bytes. It is a value of persistent maps: the brain goes on with its own.
    case encode(AuthorityState, SnapshotMetadata)
    /// Find out what state a leader's snapshot holds.
    case decode(Snapshot)

    package enum Outcome: Sendable {
        case encoded(Snapshot)
        case decoded(AuthorityState, Snapshot)
        /// The bytes arrived as they were sent and mean nothing to this version of the program.
        case undecodable(Snapshot)
    }

    package func run() -> Outcome {
        switch self {
        case .encode(let state, let metadata):
            return .encoded(Snapshot(metadata, bytes: AuthoritySnapshot.encode(state)))
        case .decode(let snapshot):
            guard let state = AuthorityState(snapshot) else { return .undecodable(snapshot) }
            return .decoded(state, snapshot)
        }
    }
}

extension AuthorityState {
    /// Nil where the bytes are no state as of the snapshot's index.
    init?(_ snapshot: Snapshot) {
        guard let state = try? AuthoritySnapshot.decode(snapshot.bytes),
            state.appliedIndex == snapshot.position.index
        else { return nil }
        self = state
    }
}
