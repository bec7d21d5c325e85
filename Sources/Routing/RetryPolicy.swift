import Primitives

/// How often and how soon a failed attempt is repeated elsewhere.
package struct RetryPolicy: Hashable, Sendable {
    /// Attempts of one request in all: the first, and every bounce, retry and hedge. More hides more failures and
    /// multiplies load when everything fails at once.
    package var attemptsMax = 3
    /// Before the second attempt at the latest; doubles with each. The actual delay is uniform in half of it to all.
    package var backoffBase: Duration = .milliseconds(20)
    package var backoffMax: Duration = .seconds(1)
    package init() {}
}

/// The one budget of a request, shared by everything that could send it again.
///
/// Once a token has been shown to the client there is no further attempt: the client would read it twice.
package struct AttemptBudget: Hashable, Sendable {
    package enum Reason: String, Hashable, Sendable, CaseIterable {
        case first
        /// The target refused with fresh state: go elsewhere at once.
        case bounce
        /// The attempt failed before its first byte.
        case retry
        /// No first byte by the deadline; the first attempt may still win.
        case hedge
    }

    package enum Verdict: Hashable, Sendable {
        case attempt(after: Duration)
        case exhausted
        case tokenVisible
    }

    package let policy: RetryPolicy
    package private(set) var attempts = 0
    package private(set) var isTokenVisible = false

    package init(policy: RetryPolicy = RetryPolicy()) { self.policy = policy }

    package mutating func noteVisibleToken() { isTokenVisible = true }

    /// Spends one attempt if there is one left. Only a retry waits: bounces and hedges go to another node at once.
    package mutating func take(_ reason: Reason, random: inout SeededRandom) -> Verdict {
        if isTokenVisible { return .tokenVisible }
        guard attempts < policy.attemptsMax else { return .exhausted }
        attempts += 1
        guard reason == .retry else { return .attempt(after: .zero) }
        var ceiling = policy.backoffBase
        for _ in 0..<max(0, attempts - 2) where ceiling < policy.backoffMax { ceiling = ceiling * 2 }
        ceiling = min(ceiling, policy.backoffMax)
        return .attempt(after: random.duration(in: ceiling / 2...ceiling))
    }
}
