import Primitives
import Testing

@Suite struct IdentifierTests {
    @Test func `hexadecimal text comes back`() {
        #expect(Hex.encode([0x00, 0x0F, 0xF0, 0xAB]) == "000ff0ab")
        #expect(Hex.decode("000ff0aB") == [0x00, 0x0F, 0xF0, 0xAB])
        #expect(Hex.decode("") == [])
        let all = (0...255).map(UInt8.init)
        #expect(Hex.decode(Hex.encode(all)) == all)
    }

    @Test(arguments: ["0", "0g", "g0", " 0", "0x", "+1", "é", "００"])
    func `anything else is not hexadecimal`(_ text: String) {
        #expect(Hex.decode(text) == nil)
    }

    @Test func `a node id is read back from bytes and from text`() {
        let id = NodeID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210)
        #expect(id.description == "0123456789abcdeffedcba9876543210")
        #expect(NodeID(hex: id.description) == id)
        #expect(NodeID(bytes: id.bytes) == id)
        #expect(NodeID(bytes: [1, 2, 3]) == nil)
        #expect(NodeID(hex: "0123") == nil)
        #expect(NodeID(bytes: [UInt8](repeating: 0, count: 17)) == nil)
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func `node ids are ordered as their bytes are`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let ids = (0..<50).map { _ in
            NodeID(high: UInt64(random.below(3)) << 62, low: random.next() >> UInt64(random.below(64)))
        }
        for (a, b) in zip(ids, ids.dropFirst()) {
            #expect((a < b) == a.bytes.lexicographicallyPrecedes(b.bytes))
        }
    }

    @Test func `log positions count`() {
        #expect(LogIndex.zero.next == LogIndex(1))
        #expect(LogIndex(5).previous == LogIndex(4))
        #expect(LogIndex(5) + 3 == LogIndex(8))
        #expect(LogIndex(8) - LogIndex(5) == 3)
        #expect(Term.zero.next > .zero)
        #expect(LogTime(milliseconds: 5) + .milliseconds(7) == LogTime(milliseconds: 12))
        #expect(LogTime(milliseconds: 5) - LogTime(milliseconds: 12) == .milliseconds(-7))
        #expect(ReplicaID(0xAB).description == "00000000000000ab")
    }
}
