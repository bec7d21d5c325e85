import Primitives

/// How long silence is borne before another place is tried. The agent next to a backend watches the backend; the origin
/// of a forwarded prompt only watches the agent, which says at once that it has the prompt, then every half second.
enum FirstByteDeadlines {
    /// A serving agent's "still at it" to the origin.
    static let heartbeatInterval: Duration = .milliseconds(500)
    /// Silence of a serving agent: several heartbeats, because a machine that generates on its CPU is a busy one.
    static let heartbeatTimeout: Duration = .seconds(3)
    /// Without any measurement a model may have to be read from disk, and a CPU may need seconds for a prompt.
    private static let unmeasuredMin: Duration = .seconds(20)
    private static let diskBytesPerSecond: UInt64 = 100 << 20
    private static let limit: Duration = .seconds(600)
    private static let learnedMin: Duration = .milliseconds(250)

    /// Another agent's silence until it says that it has the prompt in hand.
    static func acceptance(roundTrip: Duration) -> Duration { .milliseconds(750) + roundTrip * 4 }

    /// A backend's silence until its first byte.
    /// - Parameter learned: of that model at that backend; nil before the second answer.
    static func backend(learned: FirstByteBoard.Figure?, running: Int, sizeBytes: UInt64, isLoaded: Bool) -> Duration {
        let reading = Duration.seconds(Int64(sizeBytes / diskBytesPerSecond))
        guard let learned, isLoaded else { return min(unmeasuredMin + reading, limit) }
        // The usual bound of a retransmission timer, mean plus four deviations (RFC 6298 §2), thrice, and for each
        // request that shares the machine.
        let seconds = (learned.mean + 4 * learned.deviation) * 3 * Double(max(running, 1))
        return min(max(.nanoseconds(Int64(min(seconds, 600) * 1e9)), learnedMin), limit)
    }
}
