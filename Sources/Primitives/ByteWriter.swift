/// Appends fields to a byte buffer: integers little-endian, counts and lengths as LEB128 varints.
@usableFromInline package struct ByteWriter: Sendable {
    @usableFromInline package internal(set) var bytes: [UInt8]

    @inlinable package init(capacity: Int = 64) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    @inlinable package var count: Int { bytes.count }

    @inlinable package mutating func write(_ value: UInt8) { bytes.append(value) }
    @inlinable package mutating func write(_ value: UInt16) { writeLittleEndian(value) }
    @inlinable package mutating func write(_ value: UInt32) { writeLittleEndian(value) }
    @inlinable package mutating func write(_ value: UInt64) { writeLittleEndian(value) }
    @inlinable package mutating func write(_ value: Int64) { writeLittleEndian(UInt64(bitPattern: value)) }
    @inlinable package mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }
    @inlinable package mutating func write(_ id: NodeID) {
        write(id.high)
        write(id.low)
    }
    @inlinable package mutating func write(_ id: ReplicaID) { write(id.value) }
    @inlinable package mutating func write(_ index: LogIndex) { writeVarint(index.value) }
    @inlinable package mutating func write(_ term: Term) { writeVarint(term.value) }
    @inlinable package mutating func write(_ time: LogTime) { write(time.milliseconds) }

    /// Puts a number, such as a checksum of what follows it, where zeros were kept for it. Traps beyond the end.
    @inlinable package mutating func overwrite(with value: UInt32, at offset: Int) {
        precondition(offset >= 0 && offset + 4 <= bytes.count, "offset \(offset) is beyond the \(bytes.count) bytes")
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt32.self) }
    }

    /// LEB128, 1 to 10 bytes.
    @inlinable package mutating func writeVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Bytes without a length; the reader must know it.
    @inlinable package mutating func writeRaw(_ raw: some Sequence<UInt8>) { bytes.append(contentsOf: raw) }

    /// The same for arrays: other modules call this one without generic code, which costs ten times as much.
    @inlinable package mutating func writeRaw(_ raw: [UInt8]) { bytes.append(contentsOf: raw) }

    /// The same for a byte repeated.
    package mutating func writeRaw(_ raw: Repeated<UInt8>) {
        for _ in 0..<raw.count { bytes.append(raw.repeatedValue) }
    }

    /// A varint length, then the bytes.
    @inlinable package mutating func write(_ blob: [UInt8]) {
        writeVarint(UInt64(blob.count))
        bytes.append(contentsOf: blob)
    }

    /// A varint length, then UTF-8.
    package mutating func write(_ text: String) {
        writeVarint(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// A presence byte, then the value if there is one.
    @inlinable package mutating func writeOptional<T>(_ value: T?, _ body: (inout ByteWriter, T) -> Void) {
        write(value != nil)
        if let value { body(&self, value) }
    }

    /// A varint count, then each element.
    @inlinable package mutating func writeArray<T>(_ items: [T], _ body: (inout ByteWriter, T) -> Void) {
        writeVarint(UInt64(items.count))
        for item in items { body(&self, item) }
    }

    @inlinable mutating func writeLittleEndian<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
