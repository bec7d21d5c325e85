/// What a backend says while it generates, free of its dialect: decoders make these, encoders write them.
package enum GenerationEvent: Hashable, Sendable {
    case text(String)
    /// What a reasoning model thinks before it answers.
    case thinking(String)
    /// A piece of a tool call. Ollama sends calls whole; OpenAI sends the arguments' JSON text in pieces.
    case toolCall(ToolCallPiece)
    case finished(FinishReason)
    case usage(Usage)
    /// The backend gave up in mid-stream, in its own words.
    case failed(String)
}

package struct ToolCallPiece: Hashable, Sendable {
    package var index: Int
    package var id: String?
    package var name: String?
    package var arguments: String

    package init(index: Int, id: String?, name: String?, arguments: String) {
        self.index = index
        self.id = id
        self.name = name
        self.arguments = arguments
    }
}

package enum FinishReason: String, Sendable, CaseIterable {
    case stop
    case length
    case toolCalls = "tool_calls"

    /// Reads either dialect; what is unknown counts as an ordinary end.
    package init(word: String?) {
        switch word {
        case "length": self = .length
        case "tool_calls": self = .toolCalls
        default: self = .stop
        }
    }
}

/// How much was read and written, and how long that took, as far as the backend tells.
package struct Usage: Hashable, Sendable {
    package var promptTokens = 0
    package var completionTokens = 0
    /// Tokens that `prefill` was spent on: those that a cache held are not among them. Nil if not told.
    package var prefillTokens: Int?
    package var load: Duration?
    package var prefill: Duration?
    package var decode: Duration?

    package init(promptTokens: Int = 0, completionTokens: Int = 0) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
    }

    /// What backends tell in several pieces, together; the newer figure counts.
    package func merging(_ newer: Usage) -> Usage {
        var merged = self
        if newer.promptTokens > 0 { merged.promptTokens = newer.promptTokens }
        if newer.completionTokens > 0 { merged.completionTokens = newer.completionTokens }
        merged.prefillTokens = newer.prefillTokens ?? prefillTokens
        merged.load = newer.load ?? load
        merged.prefill = newer.prefill ?? prefill
        merged.decode = newer.decode ?? decode
        return merged
    }
}
