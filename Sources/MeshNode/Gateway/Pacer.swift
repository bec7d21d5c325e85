import NIOCore

/// Makes a backend look slower, for demonstrations on one machine: what arrives `t` after the start is handed on at
/// `k * t`. Chunk for chunk, so that a stream stays a stream; by timers, so that nothing is blocked.
final class Pacer {
    /// Held bytes beyond which the backend should be read no further.
    static let heldBytesMax = 4 << 20

    private let loop: any EventLoop
    private let factor: Double
    private let start: NIODeadline
    private var held: CircularBuffer<(due: NIODeadline, bytes: Int, deliver: () -> Void)> = []
    private var heldBytes = 0
    private var timer: Scheduled<Void>?

    /// - Parameter factor: at least 1; 1 hands on at once.
    init(factor: Double, loop: any EventLoop) {
        self.factor = max(factor, 1)
        self.loop = loop
        start = .now()
    }

    var isFull: Bool { heldBytes > Self.heldBytesMax }

    /// Calls `deliver` when it is time, in the order of the calls.
    func schedule(bytes: Int, _ deliver: @escaping () -> Void) {
        guard factor > 1 else { return deliver() }
        let elapsed = NIODeadline.now() - start
        let due = start + .nanoseconds(Int64(Double(elapsed.nanoseconds) * factor))
        held.append((due, bytes, deliver))
        heldBytes += bytes
        if timer == nil { arm() }
    }

    func cancel() {
        timer?.cancel()
        timer = nil
        held.removeAll()
        heldBytes = 0
    }

    private func arm() {
        guard let first = held.first else { return }
        timer = loop.assumeIsolated().scheduleTask(deadline: first.due) { self.fire() }
    }

    private func fire() {
        timer = nil
        while let first = held.first, first.due <= .now() {
            held.removeFirst()
            heldBytes -= first.bytes
            first.deliver()
        }
        if timer == nil { arm() }
    }
}
