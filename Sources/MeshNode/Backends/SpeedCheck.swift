import NIOCore
import NIOHTTP1
import NodeCore
import Primitives

/// Measures how fast a backend reads and writes with one model, by tiny prompts of this node's own; the best try counts,
/// because whatever disturbs a try only makes it slower. Each better figure is told at once: for a first prompt a rough
/// one beats none.
///
/// Gives way: the first prompt that arrives at this node ends it (`SpeedCheckQuery.cancel`). It never loads a model; the
/// caller checks for models that are in memory.
struct SpeedCheck {
    enum Finding: Hashable {
        /// What was found; both figures are nil where the server answers, but tells nothing that could be used.
        case measured(SpeedBoard.Speed)
        /// It refused, failed or hung.
        case failed
        /// A prompt came in between: nothing is known.
        case gaveWay
    }

    /// Tokens that each try asks for.
    static let outputTokens = 8
    static let timeout: TimeAmount = .seconds(20)
    /// So many tries in a row that bring nothing better end a check: the machine was undisturbed.
    private static let barrenTriesMax = 3
    /// What counts as better.
    private static let improvement = 1.1
    /// Tries are kept apart, so that nodes that share a server and start together seldom meet at it.
    private static let pauseMilliseconds = 50...600

    let pool: NIOLoopBound<UpstreamPool>
    let backend: LocalBackend
    let model: String
    let now: @Sendable () -> Instant

    /// - Parameters:
    ///   - tries: at most.
    ///   - random: drawn from; makes the prompts differ, so that no server answers from its cache.
    ///   - isDisturbed: whether prompts are being served here.
    ///   - announce: told of each try's query before it starts, to cancel it, and nil after it.
    ///   - improved: told the best so far whenever it got better.
    func run(
        tries: Int, random: inout SeededRandom, isDisturbed: () -> Bool, announce: (SpeedCheckQuery?) -> Void,
        improved: (SpeedBoard.Speed) -> Void
    ) async -> Finding {
        var best = SpeedBoard.Speed()
        var barrenTries = 0
        for _ in 0..<tries {
            let pause = Self.pauseMilliseconds.lowerBound + random.below(Self.pauseMilliseconds.count)
            try? await Task.sleep(for: .milliseconds(pause))
            guard !isDisturbed(), !Task.isCancelled else { return .gaveWay }
            let query = SpeedCheckQuery(pool: pool, api: api, now: now)
            announce(query)
            let reply = await query.ask(backend, body: prompt(random.next()).encode(), limit: Self.timeout)
            announce(nil)
            guard !isDisturbed(), !query.wasCancelled else { return .gaveWay }
            guard let reply else { return .failed }
            let speed = speed(of: reply)
            let isBetter = (speed.decode ?? 0) > (best.decode ?? 0) * Self.improvement
            barrenTries = isBetter ? 0 : barrenTries + 1
            best.prefill = [best.prefill, speed.prefill].compactMap(\.self).max()
            best.decode = [best.decode, speed.decode].compactMap(\.self).max()
            if isBetter { improved(best) }
            if barrenTries == Self.barrenTriesMax { break }
        }
        return .measured(best)
    }

    private var api: PromptAPI { backend.config.kind == .ollama ? .ollamaChat : .openAIChat }

    private func prompt(_ word: UInt64) -> JSONValue {
        let text =
            "\(word % 1_000_000) is only there to tell this line from others. Read it word by word, and then count "
            + "upwards from one, with nothing but digits and commas between them."
        let messages = JSONValue.array([.object(["role": "user", "content": .string(text)])])
        return switch api.dialect {
        case .ollama:
            .object([
                "model": .string(model), "messages": messages,
                "options": .object(["num_predict": .integer(Self.outputTokens)]),
            ])
        case .openai:
            .object([
                "model": .string(model), "messages": messages, "max_tokens": .integer(Self.outputTokens),
                "stream": .bool(true), "stream_options": .object(["include_usage": .bool(true)]),
            ])
        }
    }

    /// The server's own figures where it tells them. A first byte tells as much of the way there as of reading, so
    /// reading is known only from the server; writing can be timed from here.
    func speed(of reply: SpeedCheckReply) -> SpeedBoard.Speed {
        let slowdown = backend.config.slowdown
        var speed = SpeedBoard.Speed()
        let usage = reply.usage
        if let span = usage?.prefill, span > .zero {
            let tokens = usage?.prefillTokens ?? usage?.promptTokens ?? 0
            if tokens >= SpeedBoard.prefillTokensMin { speed.prefill = Double(tokens) / (span.inSeconds * slowdown) }
        }
        // A piece holds one token or more.
        let written = max(usage?.completionTokens ?? 0, reply.pieces)
        guard written >= SpeedBoard.decodeTokensMin else { return speed }
        if let span = usage?.decode, span > .zero {
            speed.decode = Double(written) / (span.inSeconds * slowdown)
        } else if reply.writing > .zero {
            // The first token came with the first piece.
            speed.decode = Double(written - 1) / (reply.writing.inSeconds * slowdown)
        }
        return speed
    }
}

/// What one try showed.
struct SpeedCheckReply: Hashable, Sendable {
    var usage: Usage?
    var pieces = 0
    /// From the first piece of text to the end.
    var writing = Duration.zero
}
