import Primitives

/// Everything this node keeps about one member.
struct MemberRow: Sendable {
    var member: Member
    /// Its own, under its incarnation, name and address, and its goodbye if it left.
    var signature: [UInt8]
    /// Ascending by section; at most `Section.countMax`.
    private(set) var sections: [OwnedSection] = []
    /// The last authentic payload from it, whatever it said.
    var heardAt: Instant?
    /// The last answer to a ping of ours: proof of both directions.
    var ackedAt: Instant?
    var roundTrip = RoundTrip()
    /// Where it said that it stands.
    var coordinate: Coordinate?
    var probe: Probe?
    /// The probe before, so that an answer after its verdict still measures the path.
    var lateProbe: (sequence: UInt32, sentAt: Instant)?
    /// Its last answer came on a stream, since datagrams had none.
    var usesStream = false
    /// When a small mesh probes this member next.
    var nextProbeAt: Instant
    /// Present exactly while the member is suspect.
    var suspicion: Suspicion?
    /// When its state last changed here.
    var changedAt: Instant

    struct OwnedSection: Sendable {
        let id: SectionID
        var section: Section
    }

    init(member: Member, signature: [UInt8], now: Instant) {
        self.member = member
        self.signature = signature
        nextProbeAt = now
        changedAt = now
    }

    func section(_ id: SectionID) -> Section? { sections.first { $0.id == id }?.section }

    /// Returns false if the content is not newer, or there is no room for another section.
    mutating func store(_ section: Section, as id: SectionID) -> Bool {
        let index = sections.firstIndex { $0.id >= id } ?? sections.count
        if index < sections.count, sections[index].id == id {
            guard sections[index].section.stamp < section.stamp else { return false }
            sections[index].section = section
            return true
        }
        guard sections.count < Section.countMax else { return false }
        sections.insert(OwnedSection(id: id, section: section), at: index)
        return true
    }

    /// Forgets sections of lives before this one; returns which.
    mutating func dropSections(before bootEpoch: UInt64) -> [SectionID] {
        let stale = sections.filter { $0.section.bootEpoch < bootEpoch }.map(\.id)
        if !stale.isEmpty { sections.removeAll { $0.section.bootEpoch < bootEpoch } }
        return stale
    }

    /// Stops a probe but remembers it for a late answer.
    mutating func endProbe() {
        if let probe { lateProbe = (probe.sequence, probe.sentAt) }
        probe = nil
    }
}

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

    private mutating func count(_ state: MemberState, by change: Int) {
        if state.isLive { liveCount += change }
        if state == .alive { aliveCount += change }
        if state == .dead { deadCount += change }
    }
}
