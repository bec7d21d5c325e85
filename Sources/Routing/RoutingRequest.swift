import Primitives

/// What has to be known of a request to choose its node.
package struct RoutingRequest: Hashable, Sendable {
    /// As the client wrote it; see `ModelName`.
    package var model: String
    package var pool: ModelReport.Pool
    /// Estimated from the body's size.
    package var promptTokens: Int
    /// Nil if unknown: what was learned for this model is expected.
    package var outputTokens: Int?
    /// The client's own limit, if it gave one.
    package var outputTokensMax: Int?
    /// Nodes that already failed or bounced this request.
    package var excluded: [NodeID]
    /// Wins near ties, for instance because it holds the conversation's prefix.
    package var preferredNode: NodeID?

    package init(
        model: String, pool: ModelReport.Pool = .generation, promptTokens: Int = 0, outputTokens: Int? = nil,
        outputTokensMax: Int? = nil, excluded: [NodeID] = [], preferredNode: NodeID? = nil
    ) {
        self.model = model
        self.pool = pool
        self.promptTokens = max(0, promptTokens)
        self.outputTokens = outputTokens
        self.outputTokensMax = outputTokensMax
        self.excluded = excluded
        self.preferredNode = preferredNode
    }
}

/// How a client's model name finds a model: the exact name first, then Ollama's implicit tag, so that `llama3` finds
/// `llama3:latest` and the other way round. Nothing fuzzy: a wrong model is worse than a clear refusal.
package enum ModelName {
    private static let implicitTag = ":latest"

    /// The other name to try when the exact one is unknown. Nil for a name that carries another tag.
    package static func alias(of name: String) -> String? {
        if name.hasSuffix(implicitTag) { return String(name.dropLast(implicitTag.count)) }
        // A colon before the last slash belongs to a registry's port, not to a tag.
        let tail = name.utf8.lastIndex(of: UInt8(ascii: "/")).map { name.utf8[$0...] } ?? name.utf8[...]
        return tail.contains(UInt8(ascii: ":")) ? nil : name + implicitTag
    }
}
