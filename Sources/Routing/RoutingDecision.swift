import Primitives

/// The expected duration of one request at one place, term by term, in seconds.
package struct Estimate: Hashable, Sendable {
    /// To the node and back once.
    package var roundTrip = 0.0
    /// Until a slot is free; 0 while one is.
    package var queue = 0.0
    /// Until the model is in memory, weighted (`CostModel.Config.loadWeight`); 0 if it is.
    package var load = 0.0
    /// Reading the prompt, and what any request costs before that.
    package var prefill = 0.0
    package var decode = 0.0
    /// The price of likely failure: what it costs to notice it and to begin anew.
    package var risk = 0.0
    /// Expected delay of the first byte, with the load time unweighted and without risk.
    package var firstByte = 0.0

    package init() {}

    package var total: Double { roundTrip + queue + load + prefill + decode + risk }

    /// When a silent attempt is given up for another: three times what was expected, and never less than 250 ms.
    package var firstByteDeadline: Duration { .milliseconds(Int64(min(max(0.25, firstByte * 3), 600) * 1000)) }
}

/// One backend of one node that could serve the request.
package struct Candidate: Hashable, Sendable {
    package let node: NodeID
    /// For people.
    package let nodeName: String
    package let backend: String
    /// Position in the node's `Load.backends`.
    package let backendIndex: Int
    /// The model's name as that backend knows it.
    package let model: String
    package let estimate: Estimate
}

/// Why a node was no candidate.
package enum Exclusion: String, Hashable, Sendable, CaseIterable {
    case dead
    case noReport = "no-report"
    case noSuchModel = "no-such-model"
    case breakerOpen = "breaker-open"
    case notAccepting = "not-accepting"
    case unhealthy
    case doesNotFit = "does-not-fit"
    case alreadyTried = "already-tried"
}

package struct ExcludedNode: Hashable, Sendable {
    package let node: NodeID
    package let nodeName: String
    package let reason: Exclusion
}

/// Where a request goes, and why: every cost of every place that was considered.
package struct RoutingDecision: Hashable, Sendable {
    package let winner: Candidate
    /// Cheapest first.
    package let losers: [Candidate]
    /// In order of node id.
    package let excluded: [ExcludedNode]

    /// Expected seconds until the last token.
    package var eta: Double { winner.estimate.total }

    package static let headerBytesMax = 511

    /// For `X-Mesh-Decision`: printable ASCII, at most `headerBytesMax` bytes.
    ///
    ///     vengeance/ollama eta=1240ms rtt=2ms queue=0ms load=0ms prefill=210ms decode=1020ms risk=8ms; sark:dead
    package var header: String {
        let estimate = winner.estimate
        var text = "\(Self.token(winner.nodeName))/\(Self.token(winner.backend))"
        text += " eta=\(Self.milliseconds(estimate.total))ms"
        let terms = [
            ("rtt", estimate.roundTrip), ("queue", estimate.queue), ("load", estimate.load),
            ("prefill", estimate.prefill), ("decode", estimate.decode), ("risk", estimate.risk),
        ]
        for (name, seconds) in terms { text += " \(name)=\(Self.milliseconds(seconds))ms" }
        let othersCount = losers.count + excluded.count
        for position in 0..<othersCount {
            let isLoser = position < losers.count
            let other = isLoser ? Self.text(of: losers[position]) : Self.text(of: excluded[position - losers.count])
            let ending = "; +\(othersCount - position)"
            // Room must remain to say how many are left out.
            if text.utf8.count + other.utf8.count + ending.utf8.count > Self.headerBytesMax { return text + ending }
            text += other
        }
        return text
    }

    private static func text(of loser: Candidate) -> String {
        "; \(token(loser.nodeName))=\(milliseconds(loser.estimate.total))ms"
    }

    private static func text(of excluded: ExcludedNode) -> String {
        "; \(token(excluded.nodeName)):\(excluded.reason.rawValue)"
    }

    private static func milliseconds(_ seconds: Double) -> Int64 { Int64(min(max(seconds, 0), 1e9) * 1000 + 0.5) }

    /// Names become header-safe: anything but letters, digits, dot, underscore and hyphen turns into an underscore.
    private static func token(_ name: String) -> String {
        let safe = name.utf8.prefix(40).map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"):
                byte
            default: UInt8(ascii: "_")
            }
        }
        return String(decoding: safe, as: UTF8.self)
    }
}

/// Why no node was chosen.
package enum RoutingRefusal: Error, Hashable, Sendable {
    /// No living node has it: 404. The models that there are, in order of name.
    case noSuchModel(known: [String])
    /// Some node has it, none can take it now: 503. Each node with its reason.
    case noNodeAvailable([ExcludedNode])
}
