import Primitives
import Testing

@Suite struct ByteCodingTests {
    @Test func `every kind of field is read back as it was written`() throws {
        let id = NodeID(high: 0x0102_0304_0506_0708, low: .max)
        let endpoint = Endpoint(ipv4: 192, 0, 2, 1, port: 7946)
        var writer = ByteWriter()
        writer.write(UInt8(7))
        writer.write(UInt16(0xABCD))
        writer.write(UInt32.max)
        writer.write(UInt64(1) << 63)
        writer.write(Int64.min)
        writer.write(true)
        writer.write(id)
        writer.write(ReplicaID(9))
        writer.write(LogIndex(300))
        writer.write(Term(4))
        writer.write(LogTime(milliseconds: -5))
        writer.write(endpoint)
        writer.write([1, 2, 3] as [UInt8])
        writer.write("grüße")
        writer.writeOptional(Optional<UInt8>.none) { $0.write($1) }
        writer.writeOptional(UInt8(5)) { $0.write($1) }
        writer.writeArray([10, 20] as [UInt64]) { $0.writeVarint($1) }
        writer.writeRaw([0xEE, 0xFF])

        var reader = ByteReader(writer.bytes)
        #expect(try reader.readUInt8() == 7)
        #expect(try reader.readUInt16() == 0xABCD)
        #expect(try reader.readUInt32() == .max)
        #expect(try reader.readUInt64() == 1 << 63)
        #expect(try reader.readInt64() == .min)
        #expect(try reader.readBool())
        #expect(try reader.readNodeID() == id)
        #expect(try reader.readReplicaID() == ReplicaID(9))
        #expect(try reader.readLogIndex() == LogIndex(300))
        #expect(try reader.readTerm() == Term(4))
        #expect(try reader.readLogTime() == LogTime(milliseconds: -5))
        #expect(try reader.readEndpoint() == endpoint)
        #expect(try reader.readBlob(limit: 3) == [1, 2, 3])
        #expect(try reader.readString(limit: 16) == "grüße")
        let absent: UInt8? = try reader.readOptional { r throws(DecodeError) in try r.readUInt8() }
        #expect(absent == nil)
        let present: UInt8? = try reader.readOptional { r throws(DecodeError) in try r.readUInt8() }
        #expect(present == 5)
        let array: [UInt64] = try reader.readArray(limit: 2) { r throws(DecodeError) in try r.readVarint() }
        #expect(array == [10, 20])
        #expect(throws: DecodeError.trailingBytes) { try reader.expectEnd() }
        #expect(reader.readRest() == [0xEE, 0xFF])
        try reader.expectEnd()
    }

    @Test func `a number is put where zeros were kept for it`() {
        var writer = ByteWriter()
        writer.write(UInt8(1))
        writer.write(UInt32(0))
        writer.write(UInt8(2))
        writer.overwrite(with: 0x0A0B_0C0D, at: 1)
        #expect(writer.bytes == [1, 0x0D, 0x0C, 0x0B, 0x0A, 2])
    }

    @Test func `integers are little-endian`() {
        var writer = ByteWriter()
        writer.write(UInt32(0x0102_0304))
        #expect(writer.bytes == [4, 3, 2, 1])
    }

    @Test(
        arguments: [
            (0, [0x00]), (1, [0x01]), (127, [0x7F]), (128, [0x80, 0x01]), (300, [0xAC, 0x02]),
            (UInt64.max, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
        ] as [(UInt64, [UInt8])])
    func `a varint has one form`(_ value: UInt64, _ bytes: [UInt8]) throws {
        var writer = ByteWriter()
        writer.writeVarint(value)
        #expect(writer.bytes == bytes)
        var reader = ByteReader(bytes)
        #expect(try reader.readVarint() == value)
        try reader.expectEnd()
    }

    @Test(
        arguments: [
            ([0x80, 0x00], .invalid("varint")),  // 0 in two bytes
            ([0xFF, 0x80, 0x00], .invalid("varint")),
            ([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02], .invalid("varint")),  // 65 bits
            ([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 0x01], .invalid("varint")),
            ([], .truncated), ([0x80], .truncated),
        ] as [([UInt8], DecodeError)])
    func `other forms of a varint are refused`(_ bytes: [UInt8], _ expected: DecodeError) {
        var reader = ByteReader(bytes)
        #expect(throws: expected) { _ = try reader.readVarint() }
    }

    @Test func `varints of all sizes come back`() throws {
        var random = SeededRandom(seed: 3)
        for _ in 0..<2000 {
            let value = random.next() >> UInt64(random.below(64))
            var writer = ByteWriter()
            writer.writeVarint(value)
            var reader = ByteReader(writer.bytes)
            let read = try reader.readVarint()
            #expect(read == value)
        }
    }

    @Test func `malformed fields are refused with their reason`() {
        func rejects<T>(_ expected: DecodeError, _ bytes: [UInt8], _ read: (inout ByteReader) throws -> T) {
            var reader = ByteReader(bytes)
            #expect(throws: expected) { _ = try read(&reader) }
        }
        rejects(.truncated, []) { try $0.readUInt8() }
        rejects(.truncated, [1]) { try $0.readUInt16() }
        rejects(.truncated, [1, 2, 3, 4, 5, 6, 7]) { try $0.readUInt64() }
        rejects(.truncated, [UInt8](repeating: 0, count: 15)) { try $0.readNodeID() }
        rejects(.invalid("flag"), [2]) { try $0.readBool() }
        rejects(.tooLong, [4, 1, 2, 3, 4]) { try $0.readBlob(limit: 3) }
        rejects(.truncated, [4, 1, 2, 3]) { try $0.readBlob(limit: 9) }
        rejects(.invalid("UTF-8"), [2, 0xC3, 0x28]) { try $0.readString(limit: 9) }
        rejects(.tooLong, [3, 1, 2, 3]) { reader in
            try reader.readArray(limit: 2) { r throws(DecodeError) in try r.readUInt8() }
        }
        rejects(.truncated, [3, 1, 2]) { reader in
            try reader.readArray(limit: 3) { r throws(DecodeError) in try r.readUInt8() }
        }
        rejects(.truncated, []) { try $0.readRaw(-1) }
        rejects(.tooLong, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]) {
            try $0.readCount(limit: .max)
        }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `random bytes never trap a reader`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            var reader = ByteReader(random.bytes(random.below(40)))
            for _ in 0..<20 {
                let before = reader.remaining
                switch random.below(8) {
                case 0: _ = try? reader.readVarint()
                case 1: _ = try? reader.readBlob(limit: 100)
                case 2: _ = try? reader.readString(limit: 100)
                case 3: _ = try? reader.readNodeID()
                case 4: _ = try? reader.readEndpoint()
                case 5: _ = try? reader.readBool()
                case 6: _ = try? reader.readArray(limit: 50) { r throws(DecodeError) in try r.readUInt16() }
                default: _ = try? reader.readRaw(random.below(50))
                }
                #expect((0...before).contains(reader.remaining))
            }
        }
    }
}
