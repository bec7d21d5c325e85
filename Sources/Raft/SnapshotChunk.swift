import Primitives

extension RaftMessage {
    /// A piece of a snapshot, for a follower that needs entries which the leader's log no longer holds (Raft §7,
    /// figure 13). Idempotent: the follower takes it only if it continues what it has.
    package struct SnapshotChunk: Hashable, Sendable {
        package let term: Term
        package let metadata: SnapshotMetadata
        /// Bytes and CRC-32C of the whole.
        package let total: Int
        package let checksum: UInt32
        package let offset: Int
        /// Empty: only asks how far the follower is.
        package let bytes: [UInt8]

        package init(
            term: Term, metadata: SnapshotMetadata, total: Int, checksum: UInt32, offset: Int, bytes: [UInt8]
        ) {
            self.term = term
            self.metadata = metadata
            self.total = total
            self.checksum = checksum
            self.offset = offset
            self.bytes = bytes
        }

        package var id: SnapshotID { SnapshotID(position: metadata.position, total: total, checksum: checksum) }
    }

    package struct SnapshotReply: Hashable, Sendable {
        package enum Outcome: Hashable, Sendable {
            /// Send the bytes from here on. At the snapshot's end: all are here, and it is being installed.
            case next(Int)
            /// State and log reach the snapshot, durably. Go on with the entries after it.
            case installed
        }

        package let term: Term
        package let position: LogPosition
        package let outcome: Outcome

        package init(term: Term, position: LogPosition, outcome: Outcome) {
            self.term = term
            self.position = position
            self.outcome = outcome
        }
    }
}

extension ByteWriter {
    package mutating func write(_ metadata: SnapshotMetadata) {
        write(metadata.position.index)
        write(metadata.position.term)
        write(metadata.time)
        write(metadata.configuration)
    }

    mutating func write(_ chunk: RaftMessage.SnapshotChunk) {
        write(chunk.term)
        write(chunk.metadata)
        writeVarint(UInt64(chunk.total))
        write(chunk.checksum)
        writeVarint(UInt64(chunk.offset))
        write(chunk.bytes)
    }

    mutating func write(_ reply: RaftMessage.SnapshotReply) {
        write(reply.term)
        write(reply.position.index)
        write(reply.position.term)
        switch reply.outcome {
        case .next(let offset):
            write(UInt8(0))
            writeVarint(UInt64(offset))
        case .installed: write(UInt8(1))
        }
    }
}

extension ByteReader {
    /// Throws `.invalid` for a position that no entry can have.
    package mutating func readSnapshotMetadata() throws(DecodeError) -> SnapshotMetadata {
        let position = try readPosition()
        guard position.index > .zero, position.term > .zero else { throw .invalid("snapshot position") }
        return SnapshotMetadata(
            position: position, time: try readBoundedTime(), configuration: try readConfiguration())
    }

    mutating func readSnapshotChunk() throws(DecodeError) -> RaftMessage.SnapshotChunk {
        let term = try readBoundedTerm()
        let metadata = try readSnapshotMetadata()
        let total = try readCount(limit: Snapshot.bytesMax)
        let checksum = try readUInt32()
        let offset = try readCount(limit: total)
        let bytes = try readBlob(limit: RaftMessage.snapshotChunkBytesMax)
        guard total > 0, metadata.position.term <= term, bytes.count <= total - offset else {
            throw .invalid("snapshot piece")
        }
        return RaftMessage.SnapshotChunk(
            term: term, metadata: metadata, total: total, checksum: checksum, offset: offset, bytes: bytes)
    }

    mutating func readSnapshotReply() throws(DecodeError) -> RaftMessage.SnapshotReply {
        let term = try readBoundedTerm()
        let position = try readPosition()
        switch try readUInt8() {
        case 0:
            let offset = try readCount(limit: Snapshot.bytesMax)
            return RaftMessage.SnapshotReply(term: term, position: position, outcome: .next(offset))
        case 1: return RaftMessage.SnapshotReply(term: term, position: position, outcome: .installed)
        default: throw .invalid("snapshot outcome")
        }
    }
}
