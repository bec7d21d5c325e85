import Primitives

/// Keeps requests away from a backend that fails, and lets one through now and then to see whether it recovered.
///
/// ```
///            3 failures in a row, or half of
///            at least 10 in the window failed
///   closed ───────────────────────────────────> open
///     ^                                          │ 60 s
///     │ the probe succeeds                       v
///     └────────────────────────────────────── half-open (one probe at a time)
///                     the probe fails: open again
/// ```
/// A request that its client cancelled is neither success nor failure. Pattern: Nygard, "Release It!", 2nd ed., ch. 5.
package struct CircuitBreaker: Hashable, Sendable {
    package struct Config: Hashable, Sendable {
        /// Failures in a row that open it. Lower reacts faster, and to chance.
        package var failuresInARow = 3
        /// Share of failures in the window that opens it, in percent.
        package var failurePercent = 50
        /// Outcomes the window must hold before the share counts.
        package var outcomesMin = 10
        /// How far back the share looks: between half of this and this.
        package var window: Duration = .seconds(60)
        /// How long it stays open; also how long a probe may stay silent before another is sent.
        package var recovery: Duration = .seconds(60)
        package init() {}
    }

    package enum State: Hashable, Sendable {
        case closed
        case open(until: Instant)
        case halfOpen(probeSentAt: Instant?)
    }

    private struct Tally: Hashable, Sendable {
        var successes = 0
        var failures = 0
    }

    package let config: Config
    package private(set) var state: State = .closed
    private var failuresInARow = 0
    /// The window slides by halves: outcomes fall out of `previous` together.
    private var current = Tally()
    private var previous = Tally()
    private var currentSince: Instant?

    package init(config: Config = Config()) { self.config = config }

    /// Whether a request may go there now. Asking changes nothing.
    package func admits(now: Instant) -> Bool {
        switch state {
        case .closed: true
        case .open(let until): now >= until
        case .halfOpen(let probeSentAt): probeSentAt.map { now - $0 >= config.recovery } ?? true
        }
    }

    /// A request that `admits` allowed is on its way.
    package mutating func noteStarted(now: Instant) {
        switch state {
        case .closed: break
        case .open(let until) where now >= until: state = .halfOpen(probeSentAt: now)
        case .open: break
        case .halfOpen: state = .halfOpen(probeSentAt: now)
        }
    }

    package mutating func noteSuccess(now: Instant) {
        failuresInARow = 0
        switch state {
        case .closed:
            slide(now: now)
            current.successes += 1
        case .halfOpen: close()
        // An answer to a request from before it opened: the probe decides, not stragglers.
        case .open: break
        }
    }

    package mutating func noteFailure(now: Instant) {
        switch state {
        case .closed:
            slide(now: now)
            failuresInARow += 1
            current.failures += 1
            let failures = current.failures + previous.failures
            let outcomes = failures + current.successes + previous.successes
            let isOftenFailing = outcomes >= config.outcomesMin && failures * 100 >= outcomes * config.failurePercent
            if failuresInARow >= config.failuresInARow || isOftenFailing { open(now: now) }
        case .halfOpen: open(now: now)
        case .open: break
        }
    }

    /// The client went away: says nothing about the backend, but a probe's place is free again.
    package mutating func noteAbandoned() {
        if case .halfOpen = state { state = .halfOpen(probeSentAt: nil) }
    }

    private mutating func open(now: Instant) {
        state = .open(until: now + config.recovery)
    }

    private mutating func close() {
        state = .closed
        failuresInARow = 0
        current = Tally()
        previous = Tally()
        currentSince = nil
    }

    private mutating func slide(now: Instant) {
        guard let since = currentSince else {
            currentSince = now
            return
        }
        let age = now - since
        if age >= config.window {
            previous = Tally()
        } else if age >= config.window / 2 {
            previous = current
        } else {
            return
        }
        current = Tally()
        currentSince = now
    }
}
