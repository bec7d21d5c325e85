import Authority
import Gossip
import Primitives
import Raft

/// What only the primary does unasked: anchor the log's clock and have expired sessions and locks removed. The anchor is
/// what most voters take for the time of day, so that a wall clock that was set wrong ends nobody's session.
struct PrimaryDuties: Sendable {
    /// How far the log's clock may lag the voters' before it is anchored anew.
    static let clockSlack: Duration = .seconds(2)
    static let interval: Duration = .seconds(10)
    /// A clock that is set by less is not told of.
    static let tellingSlack: Duration = .seconds(1)

    /// The last reading of this machine's wall clock, and when it was taken.
    var wallClock: (unixMilliseconds: Int64, at: Instant)?
    /// What the others were told of it.
    var toldClock: ClockNotice?
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
        guard now >= duties.dueAt, consensus.holdsLease(at: now) else { return }
        tellClock(now: now)
        let logTime = consensus.logTime(at: now)
        let logged = authority.clock.unix(at: logTime)
        if logged != nil || duties.toldClock != nil { duties.postpone(from: now) }
        // A mesh begins with its first primary's clock: nobody could sign in before the others have told theirs.
        if let reading = agreedClock ?? (logged == nil ? duties.toldClock?.unixAtLogZero : nil) {
            let wall = UnixTime(milliseconds: reading + logTime.milliseconds)
            if logged.map({ wall > $0 + PrimaryDuties.clockSlack }) ?? true {
                submit(.anchorClock(wall), for: nil, now: now, into: &effects)
            }
        }
        if authority.locks.hasExpired(at: consensus.logTime(at: now)) {
            submit(.expireLocks, for: nil, now: now, into: &effects)
        }
        if let logged, authority.sessions.hasExpired(at: logged) {
            submit(.expireSessions, for: nil, now: now, into: &effects)
        }
    }

    /// The middle of the voters' clocks, the lower of two: an anchor only ever makes things expire earlier. Nil while most
    /// of them have told nothing, or are not there.
    private var agreedClock: Int64? {
        let voters = consensus.configuration.voters
        let readings = voters.compactMap { voter in replicas.node(of: voter).flatMap { clock(of: $0) } }.sorted()
        return readings.count * 2 > voters.count ? readings[(readings.count - 1) / 2] : nil
    }

    private func clock(of node: NodeID) -> Int64? {
        if node == me { return duties.toldClock?.unixAtLogZero }
        guard membership.member(node)?.state == .alive, let section = membership.section(.clock, of: node) else {
            return nil
        }
        return (try? ClockNotice(decoding: section.bytes))?.unixAtLogZero
    }

    /// Once log time is known, and whenever either clock was set.
    mutating func tellClock(now: Instant) {
        guard bootedAt != nil, let wall = duties.unixTime(at: now), LogClock.plausible.contains(wall),
            let notice = ClockNotice(unixAtLogZero: wall.milliseconds - consensus.logTime(at: now).milliseconds)
        else { return }
        if let told = duties.toldClock,
            abs(told.unixAtLogZero - notice.unixAtLogZero) < PrimaryDuties.tellingSlack.inMilliseconds
        {
            return
        }
        duties.toldClock = notice
        membership.publish(.clock, bytes: notice.encode(), now: now)
    }
}
