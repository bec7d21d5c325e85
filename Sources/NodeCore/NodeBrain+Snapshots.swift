import Authority
import Primitives
import Raft

// Snapshots of the authority: consensus says when, the work is done beside the loop, the state changes here.
//
//     .takeSnapshot ─▶ copy of the state ─▶ NodeEffect.work(.encode) ─▶ NodeInput.worked ─▶ handleSnapshotTaken
//     .checkSnapshot ─▶ NodeEffect.work(.decode) ─▶ NodeInput.worked ─▶ handleSnapshotChecked
//     .install ─▶ the decoded state takes the place of the old one
extension NodeBrain {
    mutating func takeSnapshot(into effects: inout [NodeEffect]) {
        let metadata = consensus.snapshotMetadata(at: authority.appliedIndex)
        effects.append(.work(.encode(authority, metadata)))
    }

    mutating func finish(_ outcome: SnapshotWork.Outcome, now: Instant, into effects: inout [NodeEffect]) {
        guard haltReason == nil else { return }
        switch outcome {
        case .encoded(let snapshot): consensus.handleSnapshotTaken(snapshot, now: now, into: &raftEffects)
        case .decoded(let state, let snapshot):
            consensus.handleSnapshotChecked(snapshot, isUsable: true, now: now, into: &raftEffects)
            // A later leader may send an older one than is being written: then this state is not wanted.
            if consensus.receivedPosition == snapshot.position { received = state }
        case .undecodable(let snapshot):
            effects.append(.event(.snapshotRefused(snapshot.position)))
            consensus.handleSnapshotChecked(snapshot, isUsable: false, now: now, into: &raftEffects)
        }
    }

    mutating func install(_ metadata: SnapshotMetadata, now: Instant, into effects: inout [NodeEffect]) {
        guard let state = received, state.appliedIndex == metadata.position.index else {
            preconditionFailure("the state of \(metadata.position) was not checked before it was installed")
        }
        authority = state
        received = nil
        viewVersion += 1
        effects.append(.event(.installed(metadata.position)))
        haltIfOutdated(into: &effects)
        followKeys(now: now, into: &effects)
    }
}
