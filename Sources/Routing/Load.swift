/// What a node is doing now: requests running and queued at each of its backends. One gossip section, and the reply
/// of every forwarded request may carry one too.
package struct Load: Hashable, Sendable {
    package static let backendCountMax = 12

    /// The reporting process's own monotonic clock, in milliseconds since it started. Receivers compare it only with
    /// earlier reports of the same node, to learn how old a report was when it arrived.
    package let clockMilliseconds: UInt64
    /// False while draining before a stop or an upgrade: no new work, please.
    package let isAcceptingWork: Bool
    /// Share of requests that failed here lately, 0...1, in thousandths.
    package let errorRate: Double
    /// At most `backendCountMax`.
    package let backends: [BackendReport]

    package init(
        clockMilliseconds: UInt64 = 0, isAcceptingWork: Bool = true, errorRate: Double = 0, backends: [BackendReport]
    ) {
        self.clockMilliseconds = clockMilliseconds
        self.isAcceptingWork = isAcceptingWork
        self.errorRate = Thousandths.round(errorRate)
        self.backends = Array(backends.prefix(Self.backendCountMax))
    }

    package var running: Int { backends.reduce(0) { $0 + $1.running } }
    package var queued: Int { backends.reduce(0) { $0 + $1.queued } }
    package var queuedTokens: Int { backends.reduce(0) { $0 + $1.queuedTokens } }
    package var slots: Int { backends.reduce(0) { $0 + $1.slots } }

    /// Whether anything but the clock changed: what a publisher asks before it spends a gossip version.
    package func differs(from other: Load) -> Bool {
        isAcceptingWork != other.isAcceptingWork || errorRate != other.errorRate || backends != other.backends
    }
}

/// One model server behind a node.
package struct BackendReport: Hashable, Sendable {
    package enum Kind: UInt8, Sendable, CaseIterable {
        case ollama
        case openai
        case demo
    }

    /// Counts beyond this are reported as this.
    package static let countMax = 1 << 20
    package static let tokensMax = 1 << 40
    package static let nameBytesMax = 32

    /// Unique on its node; at most `nameBytesMax` bytes, longer names are cut.
    package let name: String
    package let kind: Kind
    /// The last health check succeeded.
    package let isHealthy: Bool
    /// Requests it generates at once.
    package let slots: Int
    package let running: Int
    package let queued: Int
    /// Prompt and expected output tokens of the queued requests.
    package let queuedTokens: Int
    /// Requests admitted since the process started; the difference of two reports tells what others sent.
    package let admitted: UInt64
    /// Demonstrations only: answers take this many times as long. In tenths, 1...6553.
    package let slowdown: Double
    /// Equal where it is the same server, behind whichever agent; 0 if unknown.
    package let server: UInt32

    package init(
        name: String, kind: Kind, isHealthy: Bool = true, slots: Int, running: Int = 0, queued: Int = 0,
        queuedTokens: Int = 0, admitted: UInt64 = 0, slowdown: Double = 1, server: UInt32 = 0
    ) {
        self.name = name.cut(toBytes: Self.nameBytesMax)
        self.kind = kind
        self.isHealthy = isHealthy
        self.slots = min(max(1, slots), Self.countMax)
        self.running = min(max(0, running), Self.countMax)
        self.queued = min(max(0, queued), Self.countMax)
        self.queuedTokens = min(max(0, queuedTokens), Self.tokensMax)
        self.admitted = admitted
        let tenths = slowdown.isFinite ? Int(min(max(slowdown, 1), 6553) * 10 + 0.5) : 10
        self.slowdown = Double(tenths) / 10
        self.server = server
    }
}
