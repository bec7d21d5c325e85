import Primitives

/// Held by the caller between `noteStarted` and `noteFinished`: one attempt of one request.
package struct RequestTicket: Hashable, Sendable {
    package let number: UInt64
    package let node: NodeID
    package let backend: String
    package let model: String
    package let startedAt: Instant
    package let promptTokens: Int
    package let estimate: Estimate
    /// Others in a slot when it started, for what company costs.
    let beside: Int
    let wasLoaded: Bool
}

/// What became of an attempt.
package struct RequestOutcome: Hashable, Sendable {
    package enum Result: Hashable, Sendable {
        case success
        /// The backend or the way to it failed: refused, reset, 5xx, silent, broken off.
        case failure
        /// The target had no room. Says nothing against it; its load was simply newer than our picture.
        case bounced
        /// The client went away.
        case cancelled
    }

    package var result: Result
    /// Tokens that were read for this answer, without those that a cache held. 0 if the backend did not say: the
    /// estimate then stands.
    package var promptTokens: Int
    package var outputTokens: Int
    /// Until the first token arrived here.
    package var firstByteAfter: Duration?
    /// Figures that the backend itself reported, without queue and network: better than what is seen from here. A
    /// configured slowdown is not in them; the router adds it.
    package var prefillSeconds: Double?
    package var decodeSeconds: Double?
    package var loadSeconds: Double?

    package init(
        _ result: Result, promptTokens: Int = 0, outputTokens: Int = 0, firstByteAfter: Duration? = nil,
        prefillSeconds: Double? = nil, decodeSeconds: Double? = nil, loadSeconds: Double? = nil
    ) {
        self.result = result
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.firstByteAfter = firstByteAfter
        self.prefillSeconds = prefillSeconds
        self.decodeSeconds = decodeSeconds
        self.loadSeconds = loadSeconds
    }
}

extension Router {
    /// Shares that are learned by failures fade with each further outcome by this much.
    private static let failureWeight = 0.15

    /// An attempt at `candidate` is on its way: it counts there from now on.
    package mutating func noteStarted(_ candidate: Candidate, promptTokens: Int, now: Instant) -> RequestTicket {
        nextNumber += 1
        let number = nextNumber
        var beside = 0
        var wasLoaded = true
        if let place = health.backendPosition(node: candidate.node, backend: candidate.backend) {
            health.withBackend(place) { backend in
                let service = candidate.estimate.prefill + candidate.estimate.decode
                let others = backend.backlog.expectedRequests(now: now, serviceSeconds: service)
                beside = min(Int(min(others, 1e6)), backend.report.slots - 1)
                backend.breaker.noteStarted(now: now)
                backend.backlog.noteSent(number: number, now: now)
            }
            wasLoaded = candidate.estimate.load == 0
        }
        return RequestTicket(
            number: number, node: candidate.node, backend: candidate.backend, model: candidate.model,
            startedAt: now, promptTokens: promptTokens, estimate: candidate.estimate, beside: beside,
            wasLoaded: wasLoaded)
    }

    /// The first byte did not come by `Estimate.firstByteDeadline`: teaches slowness without waiting for an end. The
    /// attempt still counts as in flight until `noteFinished`.
    package mutating func noteMissedFirstByte(_ ticket: RequestTicket, now: Instant) {
        guard let speed = speedEntry(of: ticket) else { return }
        let waited = (now - ticket.startedAt).inSeconds - ticket.estimate.queue - ticket.estimate.roundTrip
        speeds.noteMissedFirstByte(speed, seconds: waited, promptTokens: ticket.promptTokens, now: now)
    }

    /// The attempt ended. Exactly once for each ticket; a second time changes nothing but what was learned.
    package mutating func noteFinished(_ ticket: RequestTicket, _ outcome: RequestOutcome, now: Instant) {
        guard let place = health.backendPosition(node: ticket.node, backend: ticket.backend) else { return }
        health.withBackend(place) { backend in
            backend.backlog.noteEnded(number: ticket.number, now: now)
            switch outcome.result {
            case .success:
                backend.breaker.noteSuccess(now: now)
                backend.failureShare *= 1 - Self.failureWeight
            case .failure:
                backend.breaker.noteFailure(now: now)
                backend.failureShare += (1 - backend.failureShare) * Self.failureWeight
            case .bounced, .cancelled:
                backend.breaker.noteAbandoned()
            }
        }
        if outcome.result == .success { learn(from: ticket, outcome, now: now) }
    }

    private mutating func learn(from ticket: RequestTicket, _ outcome: RequestOutcome, now: Instant) {
        guard let speed = speedEntry(of: ticket) else { return }
        speeds.noteAnswer(speed)
        if outcome.outputTokens > 0 { outputTokens.note(Double(outcome.outputTokens)) }
        if let load = outcome.loadSeconds, load > 0.1 { speeds.noteLoad(speed, seconds: load) }
        let total = (now - ticket.startedAt).inSeconds
        let slowdown = speeds.slowdown(speed)
        // Whatever a backend claims, it was not longer than the whole.
        let toldPrefill = outcome.prefillSeconds.flatMap { $0 > 0 ? min($0 * slowdown, total) : nil }
        let toldDecode = outcome.decodeSeconds.flatMap { $0 > 0 ? min($0 * slowdown, total) : nil }
        let firstByte = outcome.firstByteAfter?.inSeconds
        let beforeOutput = firstByte ?? toldDecode.map { total - $0 }
        let prompt = outcome.promptTokens > 0 ? outcome.promptTokens : ticket.promptTokens
        // From here a wait for a slot cannot be told from a slow prefill: learn that only where no wait was expected.
        let own =
            ticket.wasLoaded && ticket.estimate.queue == 0
            ? beforeOutput.map { $0 - ticket.estimate.roundTrip } : nil
        if let toldPrefill {
            speeds.notePrefill(speed, seconds: toldPrefill, tokens: prompt, now: now)
            if let own { speeds.noteOverhead(speed, seconds: own - toldPrefill, now: now) }
        } else if let own {
            speeds.noteFirstByte(speed, seconds: own, tokens: prompt, now: now)
        }
        guard let decode = toldDecode ?? firstByte.map({ total - $0 }) else { return }
        if outcome.outputTokens > 1 {
            // The first token came with the first byte.
            let steps = toldDecode == nil ? outcome.outputTokens - 1 : outcome.outputTokens
            speeds.noteDecode(speed, seconds: decode, tokens: steps, beside: ticket.beside, now: now)
        }
        let inSlot = decode + (toldPrefill ?? own ?? ticket.estimate.prefill)
        if inSlot > 0 { speeds.noteService(speed, seconds: inSlot) }
    }

    private mutating func speedEntry(of ticket: RequestTicket) -> Int? {
        renewPlacements()
        guard let node = health.position(of: ticket.node) else { return nil }
        return places(of: ticket.model)?.first {
            $0.node == node && health.nodes[node].backends[$0.backend].report.name == ticket.backend
        }?.speed
    }
}
