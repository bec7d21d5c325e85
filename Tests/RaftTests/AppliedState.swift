import Primitives
import Raft

/// What a test's replica makes of its log: a number that depends on every entry and their order.
struct AppliedState: Hashable {
    private(set) var index = LogIndex.zero
    private(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325

    init() {}

    mutating func apply(_ entry: Entry) {
        precondition(entry.index == index.next, "applied \(entry.index) after \(index)")
        index = entry.index
        for byte in entry.payload + [UInt8(truncatingIfNeeded: entry.term.value)] {
            digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3
        }
    }

    /// Long enough for several pieces.
    func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(index.value)
        writer.write(digest)
        return writer.bytes + [UInt8](repeating: 7, count: 500)
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard bytes.count == 516, let index = try? reader.readUInt64(), let digest = try? reader.readUInt64() else {
            return nil
        }
        self.index = LogIndex(index)
        self.digest = digest
    }
}
