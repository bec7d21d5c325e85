import Primitives
import Synchronization
import UVLoop

/// Datagrams of no meaning, sent at a steady rate from a thread of its own: what a stranger can do to a mesh port.
///
/// A third each: bytes at random; a frame of a session, as far as its clear header goes; the beginning of a handshake, of
/// the right length. Nothing in them is known to the attacker, so none gets past the first check that it meets.
final class JunkFlood: Sendable {
    private static let patternCount = 4096
    /// Several sources, so that no socket's own buffer is what limits the rate.
    private static let sourceCount = 16
    private static let step: Duration = .milliseconds(1)

    private let target: Endpoint
    private let packetsPerSecond: Int
    private let isStopped = Atomic<Bool>(false)
    private let sent = Atomic<Int>(0)

    init(target: Endpoint, packetsPerSecond: Int) {
        self.target = target
        self.packetsPerSecond = packetsPerSecond
    }

    var sentCount: Int { sent.load(ordering: .relaxed) }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// Sends until stopped.
    func start() throws -> NativeThread {
        try NativeThread { [self] in
            do throws(UVError) { try run() } catch { preconditionFailure("the flood cannot be sent: \(error)") }
        }
    }

    private func run() throws(UVError) {
        let loop = try Loop()
        var sockets: [UDPSocket] = []
        for _ in 0..<Self.sourceCount {
            sockets.append(try UDPSocket.bind(Endpoint(ipv4: 127, 0, 0, 1, port: 0), on: loop) { _, _ in })
        }
        let patterns = Self.makePatterns()
        let timer = try LoopTimer(on: loop)
        let begun = MonotonicClock.now()
        var count = 0
        _ = try CheckHook(on: loop) { [unowned loop, self] in
            guard !isStopped.load(ordering: .relaxed) else { return loop.stop() }
            let now = MonotonicClock.now()
            // Who was held up does not catch up with a burst of more than a few steps.
            count = max(count, packets(in: now - begun - Self.step * 10))
            let due = packets(in: now - begun)
            while count < due {
                let outcome = sockets[count % sockets.count].send(patterns[count % patterns.count], to: target)
                if outcome != .dropped { sent.wrappingAdd(1, ordering: .relaxed) }
                count += 1
            }
            timer.arm(at: now + Self.step)
        }
        timer.arm(at: begun)
        loop.run()
    }

    private func packets(in span: Duration) -> Int { Int(span.inSeconds * Double(packetsPerSecond)) }

    static func makePatterns() -> [[UInt8]] {
        var random = SeededRandom(seed: 0x1D1E)
        return (0..<patternCount).map { number in
            switch number % 3 {
            case 0: random.bytes(1 + random.below(1200))
            // A receiver's index names a place in the roster by its lowest bits: a place that there is.
            case 1: [0x14, UInt8(random.below(5)), 0] + random.bytes(28 + random.below(1000))
            default: [0x11] + random.bytes(152)
            }
        }
    }
}
