import Primitives

/// How many requests are at one backend now: what its node reported, carried forward to this moment, plus what this
/// node itself sent there and the report cannot know.
///
/// Gossip is old: between two reports every node sees the same idle machine and sends its burst there. Two corrections
/// cure most of it. Our own requests are counted exactly, from when they are sent until they end, and never twice.
/// Others' requests are carried forward as a fluid: they leave at the pace at which slots turn over, and arrive at the
/// pace that the backend's counter of admitted requests showed, or as many for each of ours as came lately.
package struct Backlog: Sendable {
    /// Ended requests are kept until a report covers them, but never more than this many.
    package static let rememberedMax = 512

    private struct Sent: Sendable {
        let number: UInt64
        let at: Instant
        var endedAt: Instant?
    }

    private var slots = 1
    private var measuredAt: Instant?
    /// Others' requests at `measuredAt`.
    private var othersAtReport = 0.0
    private var othersPerSecond = 0.0
    /// Others' arrivals for each of ours, lately.
    private var othersPerOwn = 0.0
    private var admitted: UInt64?
    /// In flight, or ended after `measuredAt`, in order of sending.
    private var sent: [Sent] = []
    package private(set) var ownInFlight = 0
    private var ownSinceReport = 0

    package init() {}

    /// The state of the backend at `moment`, on our clock. Older than the last one: ignored.
    package mutating func note(_ report: BackendReport, measuredAt moment: Instant) {
        if let measuredAt, moment < measuredAt { return }
        let ownThen = sent.count { $0.at <= moment && ($0.endedAt.map { $0 > moment } ?? true) }
        learnArrivals(admitted: report.admitted, until: moment)
        slots = report.slots
        othersAtReport = Double(max(0, report.running + report.queued - ownThen))
        admitted = report.admitted
        measuredAt = moment
        sent.removeAll { $0.endedAt.map { $0 <= moment } ?? false }
        ownSinceReport = sent.count { $0.at > moment }
    }

    private mutating func learnArrivals(admitted now: UInt64, until moment: Instant) {
        guard let measuredAt, let before = admitted, now >= before, moment > measuredAt else { return }
        let own = sent.count { $0.at > measuredAt && $0.at <= moment }
        let others = Double(max(0, Int64(truncatingIfNeeded: now - before) - Int64(own)))
        let seconds = (moment - measuredAt).inSeconds
        // Reports come at any interval: weigh by the time they cover, with 10 s as the memory.
        othersPerSecond += (others / seconds - othersPerSecond) * seconds / (seconds + 10)
        if own > 0 { othersPerOwn += (others / Double(own) - othersPerOwn) * 0.2 }
    }

    package mutating func noteSent(number: UInt64, now: Instant) {
        if sent.count >= Self.rememberedMax, let oldest = sent.firstIndex(where: { $0.endedAt != nil }) {
            sent.remove(at: oldest)
        }
        sent.append(Sent(number: number, at: now))
        ownInFlight += 1
        ownSinceReport += 1
    }

    /// An unknown number changes nothing: its backend was replaced meanwhile.
    package mutating func noteEnded(number: UInt64, now: Instant) {
        guard let position = sent.lastIndex(where: { $0.number == number && $0.endedAt == nil }) else { return }
        sent[position].endedAt = now
        ownInFlight -= 1
    }

    /// Expected number of requests there, running or queued, if each takes `serviceSeconds` in a slot.
    package func expectedRequests(now: Instant, serviceSeconds: Double) -> Double {
        guard let measuredAt else { return Double(ownInFlight) }
        let age = max(0, (now - measuredAt).inSeconds)
        let capacity = Double(slots)
        // Each request leaves at this rate; with more requests than slots they share the slots.
        let leaving = min(1, capacity / max(capacity, othersAtReport + Double(ownInFlight))) / max(serviceSeconds, 1e-3)
        let x = leaving * age
        let remaining = 1 / (1 + x + x * x / 2)
        let arrived = max(othersPerSecond * age, min(4, othersPerOwn) * Double(ownSinceReport))
        // Arrivals are spread over the age, so on average half of the decay has touched them.
        return Double(ownInFlight) + othersAtReport * remaining + arrived / (1 + x / 2)
    }

    package func checkInvariants() {
        precondition(
            ownInFlight == sent.count { $0.endedAt == nil },
            "\(ownInFlight) own requests in flight, but \(sent.count) remembered")
    }
}
