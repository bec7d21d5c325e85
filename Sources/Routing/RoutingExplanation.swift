import Primitives

/// A decision spelt out for `route explain` and the interface; encodes to JSON with snake-case keys, in milliseconds.
package struct RoutingExplanation: Hashable, Sendable, Encodable {
    package struct Terms: Hashable, Sendable, Encodable {
        package let roundTrip: Double
        package let queue: Double
        package let load: Double
        package let prefill: Double
        package let decode: Double
        package let risk: Double

        private enum CodingKeys: String, CodingKey {
            case roundTrip = "round_trip_ms"
            case queue = "queue_ms"
            case load = "load_ms"
            case prefill = "prefill_ms"
            case decode = "decode_ms"
            case risk = "risk_ms"
        }
    }

    package struct Place: Hashable, Sendable, Encodable {
        package let id: String
        package let node: String
        package let backend: String
        package let model: String
        package let eta: Double
        package let terms: Terms

        private enum CodingKeys: String, CodingKey {
            case id, node, backend, model, terms
            case eta = "eta_ms"
        }

        init(_ candidate: Candidate) {
            id = candidate.node.description
            node = candidate.nodeName
            backend = candidate.backend
            model = candidate.model
            let estimate = candidate.estimate
            eta = estimate.total * 1000
            terms = Terms(
                roundTrip: estimate.roundTrip * 1000, queue: estimate.queue * 1000, load: estimate.load * 1000,
                prefill: estimate.prefill * 1000, decode: estimate.decode * 1000, risk: estimate.risk * 1000)
        }
    }

    package struct Excluded: Hashable, Sendable, Encodable {
        package let id: String
        package let node: String
        package let reason: String

        init(_ excluded: ExcludedNode) {
            id = excluded.node.description
            node = excluded.nodeName
            reason = excluded.reason.rawValue
        }
    }

    package let winner: Place
    package let losers: [Place]
    package let excluded: [Excluded]

    package init(_ decision: RoutingDecision) {
        winner = Place(decision.winner)
        losers = decision.losers.map(Place.init)
        excluded = decision.excluded.map(Excluded.init)
    }
}
