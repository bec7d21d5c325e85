/// How long a request would take at one place: the sum that decisions compare.
///
///     ETA = round trip + queue + w * load + overhead + prompt * prefill pace + output * decode pace + risk
///
/// CPU load is no term: it is the wrong signal for a node whose GPU does the work. Loading is weighted below one,
/// because a model that is loaded once then serves those who come after.
package struct CostModel: Hashable, Sendable {
    package struct Config: Hashable, Sendable {
        /// Weight of a cold model's load time. Raising it keeps models where they are, lowering it spreads them.
        package var loadWeight = 0.35
        /// Places within this share of the best are equal, and one is drawn: no herd follows one node's small lead.
        package var nearTie = 0.08
        /// Assumed of a node never measured, in seconds.
        package var unknownRoundTrip = 0.03
        /// Seconds lost by noticing a failure and starting anew.
        package var failureCost = 1.0
        /// Added for a suspected node: it may be gone.
        package var suspectPenalty = 2.0
        /// Output tokens expected before anything was learned.
        package var outputTokens = 200.0
        package init() {}
    }

    /// What is known of one place.
    package struct Place: Hashable, Sendable {
        /// Seconds; nil if never measured. Zero for the node itself.
        package var roundTrip: Double?
        package var slots: Int
        /// Expected requests there, running and queued (`Backlog`).
        package var requests: Double
        /// Mean seconds in a slot; nil: like this request.
        package var serviceSeconds: Double?
        package var isLoaded: Bool
        package var speed: SpeedModel.Forecast
        /// 0...1
        package var failureShare: Double
        package var isSuspect: Bool

        package init(
            roundTrip: Double?, slots: Int, requests: Double, serviceSeconds: Double?, isLoaded: Bool,
            speed: SpeedModel.Forecast, failureShare: Double = 0, isSuspect: Bool = false
        ) {
            self.roundTrip = roundTrip
            self.slots = slots
            self.requests = requests
            self.serviceSeconds = serviceSeconds
            self.isLoaded = isLoaded
            self.speed = speed
            self.failureShare = failureShare
            self.isSuspect = isSuspect
        }
    }

    package let config: Config

    package init(config: Config = Config()) { self.config = config }

    package func estimate(promptTokens: Double, outputTokens: Double, at place: Place) -> Estimate {
        var estimate = Estimate()
        let slots = Double(place.slots)
        estimate.roundTrip = place.roundTrip ?? config.unknownRoundTrip
        let loadSeconds = place.isLoaded ? 0 : place.speed.loadSeconds
        estimate.load = config.loadWeight * loadSeconds
        estimate.prefill = place.speed.overhead + promptTokens * place.speed.prefillPace
        let company = max(0, min(place.requests, slots - 1))
        estimate.decode = outputTokens * place.speed.decodePace * (1 + place.speed.crowding * company)
        let service = place.serviceSeconds ?? estimate.prefill + estimate.decode
        // All before us but slots - 1 must leave first, and `slots` of them leave in one service time.
        estimate.queue = max(0, place.requests - (slots - 1)) * service / slots
        let failure = min(max(place.failureShare, 0), 0.95)
        estimate.risk = failure / (1 - failure) * config.failureCost + (place.isSuspect ? config.suspectPenalty : 0)
        estimate.firstByte = estimate.roundTrip + estimate.queue + loadSeconds + estimate.prefill
        return estimate
    }
}
