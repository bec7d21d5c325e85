import Primitives

/// A snapshot on its way to one follower, as its leader sees it: one piece at a time, each sent when the one before has
/// arrived. Holds the snapshot itself, so that neither newer ones nor compaction take it away.
struct SnapshotTransfer: Sendable {
    let snapshot: Snapshot
    /// The follower holds everything before this byte.
    private(set) var offset = 0
    private(set) var sentAt: Instant
    /// When the follower last told anything new.
    private(set) var progressAt: Instant

    init(_ snapshot: Snapshot, now: Instant) {
        self.snapshot = snapshot
        sentAt = now
        progressAt = now
    }

    /// The next piece; empty once all were sent, to ask whether the snapshot is installed.
    mutating func makeChunk(term: Term, bytes limit: Int, now: Instant) -> RaftMessage.SnapshotChunk {
        sentAt = now
        let end = min(offset + limit, snapshot.bytes.count)
        return RaftMessage.SnapshotChunk(
            term: term, metadata: snapshot.metadata, total: snapshot.bytes.count, checksum: snapshot.checksum,
            offset: offset, bytes: Array(snapshot.bytes[offset..<end]))
    }

    /// The follower wants the bytes from `next` on. Returns whether that is news worth another piece.
    mutating func note(next: Int, now: Instant) -> Bool {
        // Back only to the beginning, after a restart: any other step back is an answer that came late.
        guard next == 0 ? offset > 0 : next > offset, next <= snapshot.bytes.count else { return false }
        offset = next
        progressAt = now
        return true
    }
}

/// A snapshot on its way from a leader, as the follower sees it: pieces are gathered in memory in order, at most one
/// snapshot at a time. Survives a change of leader, whose pieces go on where the last one's ended.
struct IncomingSnapshot: Sendable {
    let metadata: SnapshotMetadata
    let id: SnapshotID
    private var bytes: [UInt8] = []
    /// Every byte has arrived; `whole` was taken over by somebody else.
    private(set) var isWhole = false

    init(_ chunk: RaftMessage.SnapshotChunk) {
        metadata = chunk.metadata
        id = chunk.id
        bytes.reserveCapacity(min(chunk.total, 1 << 20))
    }

    var count: Int { isWhole ? id.total : bytes.count }

    /// The snapshot once every byte is here, whatever its checksum says.
    var whole: Snapshot? { bytes.count == id.total ? Snapshot(metadata, bytes: bytes) : nil }

    mutating func releaseBytes() {
        isWhole = true
        bytes = []
    }

    /// Appends the piece if it is the next one.
    mutating func add(_ chunk: RaftMessage.SnapshotChunk) {
        guard chunk.offset == bytes.count, chunk.bytes.count <= id.total - bytes.count else { return }
        bytes.append(contentsOf: chunk.bytes)
    }
}
