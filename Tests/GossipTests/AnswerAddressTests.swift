import Gossip
import Primitives
import Testing

/// Answers go where the question came from, which the channel has seen; never where a message says.
@Suite struct AnswerAddressTests {
    private static let source = Endpoint(ipv4: 198, 51, 100, 1, port: 40_000)
    private static let victim = Endpoint(ipv4: 203, 0, 113, 9, port: 53)
    private static let peer = NodeID(high: 2, low: 2)

    private static let me = NodeID(high: 1, low: 1)

    private func membership(_ id: NodeID, at endpoint: Endpoint, seeds: [Contact]) -> Membership {
        Membership(
            me: Contact(id: id, name: "n\(id.low)", endpoint: endpoint), bootEpoch: 1, config: GossipConfig(),
            seeds: seeds, notary: Notary(sign: { _ in Array(repeating: 5, count: 64) }, check: { _, _, _ in true }),
            random: SeededRandom(seed: 1), now: .zero)
    }

    @Test("an ack goes to where the ping came from, whatever address the sender's own record names")
    func ack() throws {
        let here = Endpoint(ipv4: 10, 0, 0, 1, port: 1)
        var core = membership(Self.me, at: here, seeds: [])
        var liar = membership(
            Self.peer, at: Self.victim, seeds: [Contact(id: Self.me, name: "n1", endpoint: here)])
        var pings: [GossipEffect] = []
        liar.tick(now: .zero, into: &pings)
        let ping = try #require(
            pings.compactMap { effect -> [UInt8]? in
                if case .send(let payload, _, _) = effect, payload.first == 1 { payload } else { nil }
            }.first)
        var effects: [GossipEffect] = []
        core.handle(ping, from: Self.peer, at: Self.source, now: .zero + .milliseconds(1), into: &effects)
        let answers = effects.compactMap { effect -> Endpoint? in
            guard case .send(let payload, _, let endpoint) = effect, payload.first == 2 else { return nil }
            return endpoint
        }
        #expect(answers == [Self.source])
        #expect(core.member(Self.peer)?.endpoint == Self.victim, "the record was in the ping")
    }
}
