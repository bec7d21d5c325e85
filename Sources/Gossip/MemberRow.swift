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
    /// What we told it in person.
    var telling: Telling
    /// Present exactly while the member is suspect.
    var suspicion: Suspicion?
    /// When its state last changed here.
    var changedAt: Instant

    struct OwnedSection: Sendable {
        let id: SectionID
        /// The newest content that is known.
        var section: Section
        /// The newest content that its owner signed, the same or an older one: all that can be passed on.
        var signed: SignedSection?
    }

    struct SignedSection: Sendable {
        let section: Section
        let signature: [UInt8]
    }

    /// What of a section was new.
    enum Gain {
        case nothing
        /// The content was known.
        case signature
        case content
    }

    init(member: Member, signature: [UInt8], now: Instant) {
        self.member = member
        self.signature = signature
        nextProbeAt = now
        changedAt = now
        telling = Telling(now: now)
    }

    var isAttended: Bool { probe != nil || suspicion != nil }

    /// When a probe or a countdown ends, or the next probe is due of a member that is watched.
    func deadline(isWatched: Bool) -> Instant {
        let asking = probe?.deadline ?? (isWatched ? nextProbeAt : .distantFuture)
        return suspicion.map { min(asking, $0.deadline) } ?? asking
    }

    func section(_ id: SectionID) -> Section? { sections.first { $0.id == id }?.section }

    func signed(_ id: SectionID) -> SignedSection? { sections.first { $0.id == id }?.signed }

    /// Keeps what is newer. One section too many is not taken.
    mutating func store(_ section: Section, signature: [UInt8]?, as id: SectionID) -> Gain {
        let index = sections.firstIndex { $0.id >= id } ?? sections.count
        let signed = signature.map { SignedSection(section: section, signature: $0) }
        guard index < sections.count, sections[index].id == id else {
            guard sections.count < Section.countMax else { return .nothing }
            sections.insert(OwnedSection(id: id, section: section, signed: signed), at: index)
            return .content
        }
        var gain = Gain.nothing
        if let signed, (sections[index].signed?.section.stamp ?? .none) < section.stamp {
            sections[index].signed = signed
            gain = .signature
        }
        if sections[index].section.stamp < section.stamp {
            sections[index].section = section
            gain = .content
        }
        return gain
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
