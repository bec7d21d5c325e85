import NIOCore

/// A repeated call on one event loop, for state that lives on that loop alone; NIO's own repeated tasks take only
/// closures that may cross threads. Stops when cancelled or released.
final class Ticker {
    private let loop: any EventLoop
    private let interval: TimeAmount
    private let body: () -> Void
    private var next: Scheduled<Void>?

    /// The first call comes after `delay`, the others after `interval` each.
    init(_ loop: any EventLoop, after delay: TimeAmount, every interval: TimeAmount, _ body: @escaping () -> Void) {
        self.loop = loop
        self.interval = interval
        self.body = body
        schedule(delay)
    }

    deinit { next?.cancel() }

    func cancel() {
        next?.cancel()
        next = nil
    }

    private func schedule(_ delay: TimeAmount) {
        next = loop.assumeIsolated().scheduleTask(in: delay) { [weak self] in
            guard let self, next != nil else { return }
            schedule(interval)
            body()
        }
    }
}
