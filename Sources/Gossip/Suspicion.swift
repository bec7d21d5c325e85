import Primitives

/// The countdown from suspect to dead (Lifeguard §IV-B, LHA-Suspicion): long while one node alone accuses, shorter with
/// every independent confirmation.
///
///     timeout = max - (max - min) * log(c + 1) / log(k + 1)
///
/// with c confirmations out of the k that can be expected. Only distinct accusers count, only by their own word, and
/// only while they are not suspect themselves; repeating someone else's accusation confirms nothing.
package struct Suspicion: Sendable {
    /// When this node took up the suspicion; restarted when the suspect is heard or we ourselves were paused.
    var startedAt: Instant
    /// Who accused in person, us included; ascending, at most `accusersMax`.
    private(set) var accusers: [NodeID] = []
    /// When a verdict is due, as things stand.
    var deadline: Instant

    /// More would not shorten the countdown further.
    static let accusersMax = 16
    static let confirmationsMax = 3

    init(startedAt: Instant) {
        self.startedAt = startedAt
        deadline = .distantFuture
    }

    /// Returns false if this accuser was known already, or enough are known.
    mutating func add(accuser: NodeID) -> Bool {
        let index = accusers.firstIndex { $0 >= accuser } ?? accusers.count
        if index < accusers.count, accusers[index] == accuser { return false }
        guard accusers.count < Self.accusersMax else { return false }
        accusers.insert(accuser, at: index)
        return true
    }

    /// - Parameters:
    ///   - confirmations: accusers that count, beyond the first.
    ///   - expected: how many could confirm; with none, nothing shortens the countdown.
    package static func timeout(min: Duration, max: Duration, confirmations: Int, expected: Int) -> Duration {
        let expected = Swift.min(expected, confirmationsMax)
        guard expected > 0 else { return max }
        let permille = Self.logarithmPermille[expected - 1][Swift.min(confirmations, expected)]
        return max - (max - min) * permille / 1000
    }

    /// 1000 * log(c + 1) / log(k + 1), row k - 1, column c: as data, so that every platform agrees to the nanosecond.
    private static let logarithmPermille = [
        [0, 1000],
        [0, 631, 1000],
        [0, 500, 792, 1000],
    ]
}
