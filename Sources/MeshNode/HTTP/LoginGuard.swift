import Authority
import Primitives

/// How often passwords may be tried: for each user name, against guessing one, and for each client address, against
/// trying one password on many names. A try counts before it is checked and is given back when it was right, so that
/// tries made at the same time count too, and people who sign in often are never kept out by their own success.
struct LoginGuard: Sendable {
    private let byUser: RateLimiter
    private let bySource: RateLimiter

    /// One address may stand for many people, so it gets four times a user's tries.
    init(attemptsPerMinute: Int) {
        byUser = RateLimiter(perMinute: attemptsPerMinute, burst: attemptsPerMinute)
        bySource = RateLimiter(perMinute: attemptsPerMinute * 4, burst: attemptsPerMinute * 4)
    }

    /// Returns nil, or how many seconds to wait.
    func begin(user: UserName, source: String, now: Instant) -> Int? {
        if let wait = bySource.spend(source, now: now) { return wait }
        guard let wait = byUser.spend(user.text, now: now) else { return nil }
        bySource.refund(source)
        return wait
    }

    func succeeded(user: UserName, source: String) {
        byUser.refund(user.text)
        bySource.refund(source)
    }
}
