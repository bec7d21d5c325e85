import ArgumentParser
import Primitives
import SecureChannel

/// `meshnode bench handshake`: whole handshakes between two nodes on one core, what one costs the responder, and how
/// fast junk is turned away.
struct BenchHandshake: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "handshake", abstract: "Handshakes and rejected junk a second, on one core.")

    @Option(help: "Handshakes.")
    var count = 2_000

    func validate() throws {
        guard 1...1_000_000 ~= count else { throw ValidationError("--count takes 1 to 1,000,000") }
    }

    private static let caller = NodeID(high: 1, low: 1)
    private static let callee = NodeID(high: 2, low: 2)

    func run() throws {
        var entropy = SodiumEntropy()
        let cluster = ClusterKey.generate(from: &entropy)
        let pairs = (0..<2).map { _ in ExchangeKeyPair.generate(from: &entropy) }
        let peers = zip([Self.caller, Self.callee], pairs).map {
            ChannelKeys.Peer(node: $0, exchangeKey: $1.publicKey)
        }
        let calling = ChannelKeys(cluster: cluster, me: Self.caller, exchange: pairs[0], peers: peers)
        let called = ChannelKeys(cluster: cluster, me: Self.callee, exchange: pairs[1], peers: peers)
        var responder = PeerSessions(keys: called, bootEpoch: 1, entropy: SodiumEntropy())
        let (whole, answering) = measure(&responder, calling)
        let (junk, replayed) = try Self.junk(&responder, calling)
        try JSONLine.write(
            Line(
                bench: "handshake", handshakes: count, perSecond: Double(count) / whole,
                answeredPerSecond: Double(count) / answering, replayedInitiationsPerSecond: replayed,
                junkPerSecond: junk))
    }

    /// Seconds for all handshakes, and for the responder's part in them.
    private func measure(_ responder: inout PeerSessions, _ calling: ChannelKeys) -> (Double, Double) {
        let clock = ContinuousClock()
        var (whole, answering) = (Duration.zero, Duration.zero)
        for life in 1...UInt64(count) {
            let begun = clock.now
            // Each life of the caller makes one handshake, in a second of its own as far as the budget is concerned.
            let now = Instant.zero + .seconds(Int64(life))
            var initiator = PeerSessions(keys: calling, bootEpoch: life, entropy: SodiumEntropy())
            _ = initiator.seal([1], kind: .node, to: Self.callee, now: now)
            let hello = initiator.takeOutbox()
            let called = clock.now
            _ = try? responder.open(hello[0].bytes, from: nil, now: now)
            let answer = responder.takeOutbox()
            answering += clock.now - called
            _ = try? initiator.open(answer[0].bytes, from: nil, now: now)
            let first = initiator.takeOutbox()
            let opened = try? responder.open(first[0].bytes, from: nil, now: now)
            whole += clock.now - begun
            precondition(opened?.payload == [1], "handshake \(life) failed")
        }
        return (whole.inSeconds, answering.inSeconds)
    }

    /// Rejections a second: of random frames, and of a replayed initiation, which costs the most.
    private static func junk(_ responder: inout PeerSessions, _ calling: ChannelKeys) throws -> (Double, Double) {
        var random = SeededRandom(seed: 1)
        let frames = (0..<100_000).map { _ in [0x11] + random.bytes(152) }
        let source = Endpoint(ipv4: 192, 0, 2, 1, port: 1)
        let clock = ContinuousClock()
        let begun = clock.now
        for frame in frames { _ = try? responder.open(frame, from: source, now: .zero) }
        let junk = Double(frames.count) / (clock.now - begun).inSeconds
        // Replays of one genuine initiation of an earlier life: the responder computes until it knows the stamp.
        var initiator = PeerSessions(keys: calling, bootEpoch: 1, entropy: SodiumEntropy())
        _ = initiator.seal([1], kind: .node, to: callee, now: .zero)
        let hello = initiator.takeOutbox()[0].bytes
        let again = clock.now
        for number in 0..<2000 {
            _ = try? responder.open(hello, from: nil, now: .zero + .seconds(1_000_000 + Int64(number)))
        }
        return (junk, 2000 / (clock.now - again).inSeconds)
    }

    private struct Line: Encodable {
        let bench: String
        let handshakes: Int
        let perSecond: Double
        let answeredPerSecond: Double
        let replayedInitiationsPerSecond: Double
        let junkPerSecond: Double
    }
}
