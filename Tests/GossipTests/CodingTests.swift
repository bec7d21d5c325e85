import Gossip
import Primitives
import Testing

@Suite("Payloads")
struct CodingTests {
    /// Payloads of every kind: a mesh that forms, publishes, loses datagrams, a member and finds it again.
    static let corpus: [[UInt8]] = {
        var mesh = TestMesh(count: 5, seed: 11)
        mesh.recordsPayloads = true
        mesh.lossPercent = 10
        for number in 0..<5 {
            mesh.input(number) { core, now, _ in
                core.publish(SectionID(value: 1), bytes: Array(repeating: UInt8(number), count: 40 * number), now: now)
            }
        }
        mesh.run(.seconds(5))
        mesh.crash(2)
        mesh.run(.seconds(3))
        mesh.restart(2)
        mesh.run(.seconds(3))
        mesh.input(4) { core, now, effects in core.leave(now: now, into: &effects) }
        mesh.run(.seconds(1))
        return mesh.payloads
    }()

    @Test("the corpus holds every kind of message")
    func corpusIsComplete() {
        #expect(Set(Self.corpus.map { $0[0] }) == Set(1...7))
    }

    @Test("what was encoded decodes to the same message and back to the same bytes")
    func roundTrip() throws {
        for payload in Self.corpus {
            #expect(try Message.decode(payload).encoded() == payload)
        }
    }

    @Test("pings and acks stay within their limit, all payloads within theirs")
    func limits() {
        let config = GossipConfig()
        for payload in Self.corpus {
            #expect(payload.count <= (payload[0] <= 2 ? config.probePayloadBytesMax : config.payloadBytesMax))
        }
    }

    @Test("a truncated payload either fails to decode or was a whole shorter one")
    func truncation() {
        var rejected = 0
        for payload in Self.corpus.prefix(400) {
            for length in 0..<payload.count {
                let cut = Array(payload[..<length])
                if let message = try? Message.decode(cut) { #expect(message.encoded() == cut) } else { rejected += 1 }
            }
        }
        #expect(rejected > 1000)
    }

    @Test("bytes that no encoder produces are counted and change nothing")
    func malformedBytes() {
        var mesh = TestMesh(count: 3, seed: 5)
        mesh.run(.seconds(3))
        var random = SeededRandom(seed: 99)
        var core = mesh.core(0)
        let membersBefore = core.members
        let peer = TestMesh.id(1)
        for _ in 0..<20_000 {
            var payload = random.element(of: Self.corpus) ?? []
            for _ in 0...random.below(3) where !payload.isEmpty {
                switch random.below(3) {
                case 0: payload[random.below(payload.count)] = UInt8(random.below(256))
                case 1: payload.removeLast(random.below(payload.count))
                default: payload.append(UInt8(random.below(256)))
                }
            }
            guard (try? Message.decode(payload)) == nil else { continue }
            let before = core.counters.malformedPayloads
            let nextDeadline = core.nextDeadline
            var effects: [GossipEffect] = []
            core.handle(payload, from: peer, at: TestMesh.endpoint(1), now: mesh.now, into: &effects)
            #expect(core.counters.malformedPayloads == before + 1)
            #expect(effects.isEmpty && core.nextDeadline == nextDeadline)
        }
        core.checkInvariants()
        #expect(core.members == membersBefore)
        #expect(core.counters.malformedPayloads > 1000)
    }

    @Test("mutated payloads that do decode break no invariant")
    func hostilePayloads() {
        for seed in 0..<40 {
            var mesh = TestMesh(count: 4, seed: UInt64(seed))
            mesh.run(.seconds(2))
            var random = SeededRandom(seed: UInt64(seed) &+ 1000)
            for _ in 0..<200 {
                var payload = random.element(of: Self.corpus) ?? []
                for _ in 0...random.below(4) { payload[random.below(payload.count)] = UInt8(random.below(256)) }
                let liar = 1 + random.below(3)
                mesh.input(0) { core, now, effects in
                    core.handle(
                        payload, from: TestMesh.id(liar), at: TestMesh.endpoint(liar), now: now, into: &effects)
                }
                mesh.run(.milliseconds(20))
            }
        }
    }
}
