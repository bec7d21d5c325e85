import Primitives

/// The members by ascending id, in one array: five or a thousand, found by binary search, visited in the same order
/// everywhere.
struct MemberTable: Sendable {
    /// States change through `setState`, which keeps the counts.
    var rows: [MemberRow] = []
    let countMax: Int
    /// Members alive or suspect, us included.
    private(set) var liveCount = 0
    /// Members alive, us included.
    private(set) var aliveCount = 0
    private(set) var deadCount = 0
    /// Who is being probed or suspected, ascending: seldom more than a few, however many are known. Whoever is neither any
    /// more, or gone, stays until the next look.
    private(set) var attended: [NodeID] = []

    init(countMax: Int) { self.countMax = countMax }

    var indices: Range<Int> { rows.indices }

    mutating func setState(_ state: MemberState, of index: Int) {
        count(rows[index].member.state, by: -1)
        rows[index].member.state = state
        count(state, by: 1)
    }

    func index(of id: NodeID) -> Int? {
        let index = lowerBound(of: id)
        return index < rows.count && rows[index].member.id == id ? index : nil
    }

    /// The first index whose id is not below `id`.
    func lowerBound(of id: NodeID) -> Int {
        var low = 0
        var high = rows.count
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].member.id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Adds an unknown member. A full table gives up its longest dead or departed row; returns nil if there is none.
    mutating func insert(_ member: Member, signature: [UInt8], now: Instant) -> Int? {
        if rows.count >= countMax {
            var oldest: Int?
            for index in rows.indices where !rows[index].member.state.isLive {
                if oldest.map({ rows[index].changedAt < rows[$0].changedAt }) ?? true { oldest = index }
            }
            guard let oldest else { return nil }
            count(rows[oldest].member.state, by: -1)
            rows.remove(at: oldest)
        }
        let index = lowerBound(of: member.id)
        precondition(index == rows.count || rows[index].member.id != member.id, "member \(member.id) is in the table")
        rows.insert(MemberRow(member: member, signature: signature, now: now), at: index)
        count(member.state, by: 1)
        return index
    }

    mutating func remove(at index: Int) {
        count(rows[index].member.state, by: -1)
        rows.remove(at: index)
    }

    // MARK: - Who wants attention

    mutating func begin(_ probe: Probe, of index: Int) {
        rows[index].probe = probe
        attend(index)
    }

    mutating func begin(_ suspicion: Suspicion, of index: Int) {
        rows[index].suspicion = suspicion
        attend(index)
    }

    private mutating func attend(_ index: Int) {
        let id = rows[index].member.id
        let place = attended.firstIndex { $0 >= id } ?? attended.count
        guard place == attended.count || attended[place] != id else { return }
        attended.insert(id, at: place)
    }

    /// Where they stand, ascending; some may be so no longer.
    var attendedIndices: [Int] { attended.compactMap { index(of: $0) } }

    /// Visits those attended to; forgets whoever is not any more.
    mutating func visitAttended(_ body: (MemberRow) -> Void) {
        var kept = 0
        for place in attended.indices {
            guard let index = index(of: attended[place]), rows[index].isAttended else { continue }
            body(rows[index])
            attended[kept] = attended[place]
            kept += 1
        }
        attended.removeLast(attended.count - kept)
    }

    private mutating func count(_ state: MemberState, by change: Int) {
        if state.isLive { liveCount += change }
        if state == .alive { aliveCount += change }
        if state == .dead { deadCount += change }
    }
}
