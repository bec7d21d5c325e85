/// Why bytes could not be decoded. Nothing was changed; drop the message and count it.
@usableFromInline package enum DecodeError: Error, Equatable, Sendable {
    /// The input ended inside a field.
    case truncated
    /// A length, count or text exceeds the limit that the reader allows.
    case tooLong
    /// A tag, flag, varint or UTF-8 sequence that no writer produces.
    case invalid(String)
    /// Bytes are left over after the last field.
    case trailingBytes
}

/// A cursor over received bytes that never reads out of bounds and never traps: the counterpart of `ByteWriter`.
@usableFromInline package struct ByteReader: Sendable {
    @usableFromInline let bytes: [UInt8]
    @usableFromInline var position: Int
    @usableFromInline let end: Int

    @inlinable package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        position = 0
        end = bytes.count
    }

    /// Reads what stands before `end`.
    @inlinable package init(_ bytes: [UInt8], before end: Int) {
        precondition(end >= 0 && end <= bytes.count, "\(bytes.count) bytes do not reach \(end)")
        self.bytes = bytes
        position = 0
        self.end = end
    }

    /// Reads from `start` on.
    @inlinable package init(_ bytes: [UInt8], from start: Int) {
        precondition(start >= 0 && start <= bytes.count, "\(bytes.count) bytes do not reach \(start)")
        self.bytes = bytes
        position = start
        end = bytes.count
    }

    /// Reads a part, where it lies.
    @inlinable package init(_ bytes: [UInt8], in range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "\(bytes.count) bytes lack \(range)")
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    @inlinable package var remaining: Int { end - position }

    @inlinable package mutating func readUInt8() throws(DecodeError) -> UInt8 {
        guard position < end else { throw .truncated }
        defer { position += 1 }
        return bytes[position]
    }

    @inlinable package mutating func readUInt16() throws(DecodeError) -> UInt16 { try readLittleEndian() }
    @inlinable package mutating func readUInt32() throws(DecodeError) -> UInt32 { try readLittleEndian() }
    @inlinable package mutating func readUInt64() throws(DecodeError) -> UInt64 { try readLittleEndian() }
    @inlinable package mutating func readInt64() throws(DecodeError) -> Int64 {
        Int64(bitPattern: try readLittleEndian())
    }

    @inlinable package mutating func readBool() throws(DecodeError) -> Bool {
        switch try readUInt8() {
        case 0: false
        case 1: true
        default: throw .invalid("flag")
        }
    }

    @inlinable package mutating func readNodeID() throws(DecodeError) -> NodeID {
        NodeID(high: try readUInt64(), low: try readUInt64())
    }

    @inlinable package mutating func readReplicaID() throws(DecodeError) -> ReplicaID { ReplicaID(try readUInt64()) }
    @inlinable package mutating func readLogIndex() throws(DecodeError) -> LogIndex { LogIndex(try readVarint()) }
    @inlinable package mutating func readTerm() throws(DecodeError) -> Term { Term(try readVarint()) }
    @inlinable package mutating func readLogTime() throws(DecodeError) -> LogTime {
        LogTime(milliseconds: try readInt64())
    }

    /// LEB128. Rejects encodings that overflow 64 bits or end in a superfluous zero byte, so each value has one form.
    @inlinable package mutating func readVarint() throws(DecodeError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try readUInt8()
            if shift == 63, byte > 1 { throw .invalid("varint") }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 {
                if byte == 0, shift > 0 { throw .invalid("varint") }
                return value
            }
            shift += 7
            if shift > 63 { throw .invalid("varint") }
        }
    }

    /// A varint that must not exceed `limit`; for counts and lengths.
    @inlinable package mutating func readCount(limit: Int) throws(DecodeError) -> Int {
        let value = try readVarint()
        guard value <= UInt64(limit) else { throw .tooLong }
        return Int(value)
    }

    @inlinable package mutating func readRaw(_ count: Int) throws(DecodeError) -> [UInt8] {
        guard count >= 0, remaining >= count else { throw .truncated }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    @inlinable package mutating func readBlob(limit: Int) throws(DecodeError) -> [UInt8] {
        try readRaw(try readCount(limit: limit))
    }

    package mutating func readString(limit: Int) throws(DecodeError) -> String {
        let raw = try readBlob(limit: limit)
        guard let text = String(validating: raw, as: UTF8.self) else { throw .invalid("UTF-8") }
        return text
    }

    @inlinable package mutating func readOptional<T>(
        _ body: (inout ByteReader) throws(DecodeError) -> T
    ) throws(DecodeError) -> T? {
        try readBool() ? try body(&self) : nil
    }

    @inlinable package mutating func readArray<T>(
        limit: Int, _ body: (inout ByteReader) throws(DecodeError) -> T
    ) throws(DecodeError) -> [T] {
        let count = try readCount(limit: limit)
        var items: [T] = []
        items.reserveCapacity(min(count, remaining))
        for _ in 0..<count { items.append(try body(&self)) }
        return items
    }

    /// Everything that is left.
    @inlinable package mutating func readRest() -> [UInt8] {
        defer { position = end }
        return Array(bytes[position..<end])
    }

    /// Call after the last field: a longer message than expected is not ours.
    @inlinable package func expectEnd() throws(DecodeError) {
        guard position == end else { throw .trailingBytes }
    }

    @inlinable mutating func readLittleEndian<T: FixedWidthInteger>() throws(DecodeError) -> T {
        let width = MemoryLayout<T>.size
        guard remaining >= width else { throw .truncated }
        let value = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: T.self) }
        position += width
        return T(littleEndian: value)
    }
}
