import Authority
import Primitives
import Raft

/// What only the primary does unasked: anchor the log's clock and have expired sessions and locks removed.
struct PrimaryDuties: Sendable {
    /// How far the log's clock may lag this machine's before it is anchored anew.
    static let clockSlack: Duration = .seconds(2)
    static let interval: Duration = .seconds(10)

    /// The last reading of this machine's wall clock, and when it was taken.
    var wallClock: (unixMilliseconds: Int64, at: Instant)?
    /// Not before this; a leader takes a step at every heartbeat, which is often enough to look.
    private(set) var dueAt: Instant = .zero

    mutating func postpone(from now: Instant) { dueAt = now + Self.interval }

    /// A new term begins: look at once.
    mutating func restart() { dueAt = .zero }

    func unixTime(at now: Instant) -> UnixTime? {
        wallClock.map { UnixTime(milliseconds: $0.unixMilliseconds) + (now - $0.at) }
    }
}

extension NodeBrain {
    /// Called often; does something every ten seconds, and once after each election.
    mutating func runDuties(now: Instant, into effects: inout [NodeEffect]) {
        guard now >= duties.dueAt, consensus.holdsLease(at: now), let wall = duties.unixTime(at: now) else {
            return
        }
        duties.postpone(from: now)
        let logged = authority.clock.unix(at: consensus.logTime(at: now))
        if logged.map({ wall > $0 + PrimaryDuties.clockSlack }) ?? true {
            submit(.anchorClock(wall), for: nil, now: now, into: &effects)
        }
        if authority.locks.hasExpired(at: consensus.logTime(at: now)) {
            submit(.expireLocks, for: nil, now: now, into: &effects)
        }
        if let logged, authority.sessions.hasExpired(at: logged) {
            submit(.expireSessions, for: nil, now: now, into: &effects)
        }
    }
}
