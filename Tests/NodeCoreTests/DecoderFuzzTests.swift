import Foundation
import NodeCore
import Primitives
import Raft
import SecureChannel
import Testing

/// Bytes from outside, changed at random: a decoder takes them or throws, and never traps. What it takes it must write the
/// same way again, or two nodes would read one message differently.
///
/// Seeds make it repeatable; a finding is kept in `DecoderSamples.corpus` and played first for ever after.
@Suite("Decoders under mutated bytes")
struct DecoderFuzzTests {
    @Test("what is taken is written the same way again; nothing traps", arguments: FuzzedDecoder.all)
    func mutated(decoder: FuzzedDecoder) throws {
        var random = SeededRandom(seed: 0xF022)
        let samples = decoder.samples + DecoderSamples.corpus
        for sample in samples { try check(sample, decoder) }
        for _ in 0..<20_000 {
            var bytes = random.element(of: samples) ?? []
            for _ in 0...random.below(3) { mutate(&bytes, &random, samples) }
            try check(bytes, decoder)
        }
    }

    private func check(_ bytes: [UInt8], _ decoder: FuzzedDecoder) throws {
        guard let again = try? decoder.roundTrip(bytes) else { return }
        // What was read need not have been written by us; what we write we must read as the same.
        let third = try decoder.roundTrip(again)
        #expect(third == again, "\(decoder.name): \(Hex.encode(bytes))")
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom, _ samples: [[UInt8]]) {
        switch random.below(7) {
        case 0, 1:
            guard !bytes.isEmpty else {
                bytes = random.bytes(1 + random.below(8))
                return
            }
            bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
        case 2: bytes = Array(bytes.prefix(random.below(bytes.count + 1)))
        case 3: bytes += random.bytes(1 + random.below(16))
        case 4: bytes.insert(contentsOf: random.bytes(1 + random.below(4)), at: random.below(bytes.count + 1))
        case 5:
            guard !bytes.isEmpty else { return }
            bytes[random.below(bytes.count)] = random.element(of: [0, 1, 0x7F, 0x80, 0xFF]) ?? 0
        default:
            let other = random.element(of: samples) ?? []
            let cut = random.below(min(bytes.count, other.count) + 1)
            bytes = Array(bytes.prefix(cut)) + other.dropFirst(cut)
        }
    }

    @Test("a ticket mistyped in any way is refused")
    func tickets() throws {
        let text = JoinTicket(
            id: Array(repeating: 1, count: 16), secret: DecoderSamples.secret, cluster: Array(repeating: 4, count: 16),
            expiresAtMilliseconds: 1,
            cores: [.init(exchangeKey: Array(repeating: 2, count: 32), endpoint: DecoderSamples.place)]
        ).encode()
        var random = SeededRandom(seed: 0xF023)
        for _ in 0..<20_000 {
            var bytes = Array(text.utf8)
            for _ in 0...random.below(3) { mutate(&bytes, &random, [Array(text.utf8)]) }
            let mutated = String(decoding: bytes, as: UTF8.self)
            guard mutated != text else { continue }
            #expect(JoinTicket(mutated) == nil)
        }
    }

    /// The document that a joining node is handed, and finds again at each start.
    @Test("a genesis changed in any way makes a roster or none, and does no harm")
    func genesis() throws {
        let genesis = Genesis(
            cluster: Array(repeating: 4, count: 16),
            members: (1...3).map {
                Genesis.Member(
                    name: "n\($0)", node: NodeID(high: 1, low: UInt64($0)), replica: ReplicaID(UInt64($0)), rank: $0,
                    isVoter: true, trustClass: .core)
            })
        let document = Array(try JSONEncoder().encode(genesis))
        var random = SeededRandom(seed: 0xF024)
        var rosterCount = 0
        for _ in 0..<20_000 {
            var bytes = document
            for _ in 0...random.below(3) { mutate(&bytes, &random, [document]) }
            guard let changed = try? JSONDecoder().decode(Genesis.self, from: Data(bytes)) else { continue }
            if Roster(changed) != nil { rosterCount += 1 }
        }
        #expect(Roster(genesis) != nil && rosterCount > 100, "\(rosterCount) of the changed ones are rosters")
    }
}
