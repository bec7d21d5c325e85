import Primitives

/// How long silence is borne before another place is tried. The agent next to a backend watches the backend; the origin
/// of a forwarded prompt only watches the agent, which says at once that it has the prompt, then every half second.
///
/// A reply in one document is silent until its last token is written, and how many there will be is known only where the
/// client set a limit. A long answer must not be taken for a hang, so there are two: from `doubtful` on, a backend that
/// also fails its health checks is given up; at `final`, any.
struct FirstByteDeadlines: Hashable {
    /// Nil where `final` is the only one.
    let doubtful: Duration?
    let final: Duration

    /// A serving agent's "still at it" to the origin.
    static let heartbeatInterval: Duration = .milliseconds(500)
    /// Silence of a serving agent: several heartbeats, because a machine that generates on its CPU is a busy one.
    static let heartbeatTimeout: Duration = .seconds(3)
    /// Without any measurement a model may have to be read from disk, and a CPU may need seconds for a prompt.
    private static let unmeasuredMin: Duration = .seconds(20)
    private static let unmeasuredDocument: Duration = .seconds(120)
    private static let diskBytesPerSecond: UInt64 = 100 << 20
    private static let limit: Duration = .seconds(600)
    private static let learnedMin: Duration = .milliseconds(250)
    /// Few answers are longer.
    private static let assumedOutputTokens = 8192

    /// Another agent's silence until it says that it has the prompt in hand.
    init(acceptanceAfter roundTrip: Duration) {
        doubtful = nil
        final = .milliseconds(750) + roundTrip * 4
    }

    init(stream usual: Duration) {
        doubtful = nil
        final = usual
    }

    /// - Parameters:
    ///   - usual: see `usual`.
    ///   - tokensPerSecond: of that model there; nil if not known.
    init(document usual: Duration, outputTokensMax: Int?, tokensPerSecond: Double?, running: Int) {
        doubtful = usual
        guard let tokensPerSecond else {
            final = max(usual, Self.unmeasuredDocument)
            return
        }
        let limit = outputTokensMax.flatMap { $0 >= 0 ? $0 : nil } ?? Self.assumedOutputTokens
        let seconds = Double(min(limit, Self.assumedOutputTokens)) / tokensPerSecond * 3 * Double(max(running, 1))
        final = min(usual + .nanoseconds(Int64(min(seconds, 600) * 1e9)), Self.limit)
    }

    /// What passes for usual before the first byte, as far as is known.
    /// - Parameter learned: of that model at that backend; nil before the second answer.
    static func usual(
        learned: FirstByteBoard.Figure?, promptTokens: Int, running: Int, sizeBytes: UInt64, isLoaded: Bool
    ) -> Duration {
        let reading = Duration.seconds(Int64(sizeBytes / diskBytesPerSecond))
        guard let learned, isLoaded else { return min(unmeasuredMin + reading, limit) }
        // A prompt longer than those that were seen takes longer to read.
        let length = learned.promptTokens > 0 ? max(1, Double(promptTokens) / learned.promptTokens) : 1
        // The usual bound of a retransmission timer, mean plus four deviations (RFC 6298 §2), thrice, and for each
        // request that shares the machine.
        let seconds = (learned.mean + 4 * learned.deviation) * 3 * length * Double(max(running, 1))
        return min(max(.nanoseconds(Int64(min(seconds, 600) * 1e9)), learnedMin), limit)
    }
}
