import Primitives

/// What observers have asked this replica for, and it has not answered yet (`ObserverTree`).
///
/// A question is answered twice at most: at once, or when there is something, with entries; and as soon as it can be said
/// of a moment after the question came that everything committed before it is known here. The latter is what makes
/// freshness pass down the tree: no clock but each replica's own is read.
///
///     observer                          this replica
///        | fetch, stamp s, sent at T  ----> |  arrives at R
///        |                                  |  confirmed for a moment not before R, through index c
///        | <------------- echo s, c ------- |
///        |   what was committed before T is within c
struct FetchDesk: Sendable {
    /// More are not answered and ask elsewhere: twice what the tree assigns, for those whose parent is gone.
    static let observersMax = 2 * ObserverTree.fanOut
    /// Questions of one observer that wait for a proof.
    static let stampsMax = 16

    struct Fetcher: Sendable {
        let replica: ReplicaID
        /// Where its log ended when it last asked.
        let last: LogPosition
        /// What it knew to be committed then.
        let commitIndex: LogIndex
        let askedAt: Instant
        var isOwedEntries = true
        /// Ascending in both.
        var stamps: [(number: UInt64, receivedAt: Instant)] = []
    }

    private(set) var fetchers: [Fetcher] = []

    var isEmpty: Bool { fetchers.isEmpty }

    /// `patience`: who has not asked for that long has gone elsewhere.
    mutating func note(
        _ fetch: RaftMessage.Fetch, from replica: ReplicaID, patience: Duration, at now: Instant
    ) {
        fetchers.removeAll { now - $0.askedAt >= patience }
        let place = fetchers.firstIndex { $0.replica == replica } ?? fetchers.count
        guard place < Self.observersMax else { return }
        var fetcher = Fetcher(replica: replica, last: fetch.last, commitIndex: fetch.commitIndex, askedAt: now)
        if place < fetchers.count {
            fetcher.stamps = fetchers[place].stamps.suffix(Self.stampsMax - 1)
        } else {
            fetchers.append(fetcher)
        }
        fetcher.stamps.append((fetch.stamp, now))
        fetchers[place] = fetcher
    }

    /// The entries that were owed have been sent.
    mutating func noteSentEntries(to place: Int) { fetchers[place].isOwedEntries = false }

    /// The latest question of this observer that came no later than `moment`; it and those before are answered.
    mutating func takeStamp(of place: Int, receivedBy moment: Instant) -> UInt64? {
        let proven = fetchers[place].stamps.prefix { $0.receivedAt <= moment }
        guard let last = proven.last else { return nil }
        fetchers[place].stamps.removeFirst(proven.count)
        return last.number
    }

    mutating func removeAll() { fetchers.removeAll() }
}
