import Primitives
import Routing

extension Gateway {
    /// Assumed where a question names no length: a short conversation.
    private static let explainedPromptTokens = 256

    /// Where a prompt would go now, and why: every place with its costs, and the length that they are for, as one JSON
    /// document.
    package func explain(model: String, promptTokens: Int?, maxTokens: Int?) -> [UInt8] {
        let promptTokens = promptTokens ?? Self.explainedPromptTokens
        let request = RoutingRequest(model: model, promptTokens: promptTokens, outputTokensMax: maxTokens)
        let (winner, candidates, excluded): (Candidate?, [Candidate], [ExcludedNode]) =
            switch decide(request) {
            case .success(let decision): (decision.winner, [decision.winner] + decision.losers, decision.excluded)
            case .failure(.noNodeAvailable(let nodes)): (nil, [], nodes)
            case .failure(.noSuchModel): (nil, [], [])
            }
        let places = candidates.map { candidate -> JSONValue in
            .object([
                "node": .string(candidate.nodeName), "backend": .string(candidate.backend),
                "model": .string(candidate.model), "eta_ms": Self.milliseconds(candidate.estimate.total),
                "terms": Self.terms(candidate.estimate), "excluded": .null,
            ])
        }
        let others = excluded.map { node -> JSONValue in
            .object([
                "node": .string(node.nodeName), "backend": .null, "eta_ms": .null, "terms": .null,
                "excluded": .string(node.reason.rawValue),
            ])
        }
        return JSONValue.object([
            "winner": winner.map { .string($0.nodeName) } ?? .null, "prompt_tokens": .integer(promptTokens),
            "candidates": .array(places + others),
        ]).encode()
    }

    private static func terms(_ estimate: Estimate) -> JSONValue {
        .object([
            "round_trip": milliseconds(estimate.roundTrip), "queue": milliseconds(estimate.queue),
            "load": milliseconds(estimate.load), "prefill": milliseconds(estimate.prefill),
            "decode": milliseconds(estimate.decode), "risk": milliseconds(estimate.risk),
        ])
    }

    /// Tenths of a millisecond are as fine as any of these figures is known.
    private static func milliseconds(_ seconds: Double) -> JSONValue {
        let tenths = Int64((min(max(seconds, 0), 1e9) * 10_000).rounded())
        return .number("\(tenths / 10).\(tenths % 10)")
    }
}
