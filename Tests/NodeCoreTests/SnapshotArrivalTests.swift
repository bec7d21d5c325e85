import Authority
import NodeCore
import Primitives
import Raft
import SecureChannel
import Testing

/// Leaders that send n3 snapshots of their states.
@Suite struct SnapshotArrivalTests {
    private static func snapshot(_ index: UInt64) -> Snapshot {
        var state = AuthorityState()
        state.noteApplied(LogIndex(index))
        let metadata = SnapshotMetadata(
            position: LogPosition(index: LogIndex(index), term: Term(1)), time: .zero,
            configuration: Configuration(voters: (1...3).map { ReplicaID(UInt64($0)) }))
        return Snapshot(metadata, bytes: AuthoritySnapshot.encode(state))
    }

    /// All of a snapshot, as the leader of this term sends it.
    private static func payload(_ snapshot: Snapshot, term: UInt64, from place: Int) -> [UInt8] {
        let chunk = RaftMessage.SnapshotChunk(
            term: Term(term), metadata: snapshot.metadata, total: snapshot.bytes.count, checksum: snapshot.checksum,
            offset: 0, bytes: snapshot.bytes)
        var writer = ByteWriter()
        writer.writeRaw(RaftMessage.encode(.snapshot(chunk)))
        writer.write(ReplicaID(UInt64(place + 1)))
        return writer.bytes
    }

    @Test("a later leader's snapshot does not take the place of a newer one that is being written")
    func older() throws {
        var mesh = try BrainPair(3)
        mesh.run(for: .milliseconds(50))
        var first = Voice(of: 0, mesh)
        var second = Voice(of: 1, mesh)
        first.connect(to: 2, &mesh)
        second.connect(to: 2, &mesh)
        mesh.letters = []
        mesh.slowDisks = [2]
        first.say(Self.payload(Self.snapshot(100), term: 2, from: 0), .raft, to: 2, &mesh)
        second.say(Self.payload(Self.snapshot(80), term: 3, from: 1), .raft, to: 2, &mesh)
        #expect(mesh.brains[2].authority.appliedIndex == .zero)
        mesh.releaseDisk(2)
        #expect(mesh.brains[2].authority.appliedIndex == LogIndex(100))
    }
}
