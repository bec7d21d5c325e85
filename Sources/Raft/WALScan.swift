import Primitives

/// One pass over the segments of a log: the good records, and the judgement of what follows them.
struct WALScan: Sendable {
    private(set) var replay = WALReplay()
    private(set) var verdict = WALVerdict.clean
    /// Where the next record goes if the last segment's end is clean; nil if a new segment must be opened.
    private(set) var cleanEnd: Int?
    /// Identities that are unreadable though their records are good: written anew, or later rot in such a record would
    /// look like a torn write.
    private(set) var identityRepairs: [DiskOperation] = []
    private(set) var notes: [String] = []
    /// The readable entries that the snapshot does not make superfluous.
    private(set) var entries: [Entry] = []
    /// The log on disk must be declared void, and go on here.
    private(set) var restart: LogPosition?

    private let segments: [WALSegmentFile]
    private let owner: WALOwner
    private let hardStateTerm: Term
    /// What the newest good snapshot covers; zero without one.
    private let snapshot: LogPosition

    /// A doubt that recovery found now, or that an earlier one left and nobody settled.
    var doubt: WALDoubt? {
        switch verdict {
        case .doubtful(let doubt), .faulty(let doubt): doubt
        case .clean, .torn, .newReplica: replay.doubt
        }
    }

    /// Where reading stopped.
    private struct Damage {
        let place: Int
        let offset: Int
        /// True if records after it are known to have been durable.
        let isProven: Bool
        /// True if the file lost a part that would have told how far the log went.
        var hidesEnd = false
    }

    /// `segments` ascend and are not empty; `hardStateTerm` bounds the term of anything ever acknowledged.
    init(of segments: [WALSegmentFile], owner: WALOwner, hardStateTerm: Term, snapshot: LogPosition) {
        self.segments = segments
        self.owner = owner
        self.hardStateTerm = hardStateTerm
        self.snapshot = snapshot
        var damage = replaySegments(from: 0)
        // Damage in files that the snapshot makes superfluous costs nothing.
        if let found = damage, let place = firstNeeded, place > found.place {
            notes.append("\(segments[found.place].name): damaged, and covered by the snapshot of \(snapshot)")
            identityRepairs = []
            damage = replaySegments(from: place)
        }
        if let damage { judge(damage) }
        if case .clean = verdict, let doubt = replay.doubt {
            verdict = doubt.kind == .faulty ? .faulty(doubt) : .doubtful(doubt)
        }
        fitSnapshot()
    }

    /// The last file from which a replay together with the snapshot misses nothing.
    private var firstNeeded: Int? {
        segments.indices.last { segments[$0].header.map { $0.base.index <= snapshot.index } ?? false }
    }

    /// Every file, as compaction will see it. One that was not replayed is nothing to begin with.
    var spans: [WALSegmentSpan] {
        segments.map { segment in
            replay.segments.first { $0.number == segment.number }
                ?? WALSegmentSpan(number: segment.number, base: segment.header?.base ?? .zero, isUndercut: true)
        }
    }

    // MARK: Replay

    /// Nil if the log ends in zeros.
    private mutating func replaySegments(from first: Int) -> Damage? {
        replay = segments[first].header.map { WALReplay(base: $0.base, number: $0.firstNumber) } ?? WALReplay()
        for (place, segment) in segments.enumerated() where place >= first {
            // From here on later segments have the say.
            let limit = segments[(place + 1)...].compactMap { $0.header?.firstNumber }.min()
            if let limit, limit <= replay.nextNumber { continue }
            let start = WALSegmentHeader.blockBytes
            guard let header = segment.header else {
                notes.append("\(segment.name): its header is damaged")
                return Damage(place: place, offset: start, isProven: true)
            }
            guard header.firstNumber == replay.nextNumber, header.base == replay.terms.last else {
                notes.append("\(segment.name): does not continue what precedes it; a file is missing or replaced")
                return Damage(place: place, offset: header.recordsOffset, isProven: true)
            }
            replay.begin(header)
            // The file had its first length before it had a header.
            guard segment.bytes.count >= header.recordsOffset else {
                notes.append("\(segment.name): cut off at byte \(segment.bytes.count), inside its identities")
                return Damage(place: place, offset: start, isProven: true, hidesEnd: true)
            }
            if let damage = replayRecords(of: segment, header, at: place, limit: limit) { return damage }
        }
        return nil
    }

    private mutating func replayRecords(
        of segment: WALSegmentFile, _ header: WALSegmentHeader, at place: Int, limit: UInt64?
    ) -> Damage? {
        let seed = owner.seed(segment: segment.number)
        var offset = header.recordsOffset
        while replay.nextNumber < limit ?? .max {
            let number = replay.nextNumber
            let identity = header.identity(of: number, in: segment.bytes, seed: seed)
            guard number - header.firstNumber < UInt64(header.recordMax),
                let found = WALRecord.header(in: segment.bytes, at: offset, seed: seed),
                let record = WALRecord.decode(found, in: segment.bytes),
                identity ?? record.identity == record.identity, replay.apply(record)
            else {
                cleanEnd = offset
                // A later file was created only after everything in this one was durable.
                return Damage(place: place, offset: offset, isProven: place + 1 < segments.count)
            }
            if identity == nil { repairIdentity(of: record, at: offset, in: segment, header, seed: seed) }
            offset = found.end
        }
        return nil
    }

    private mutating func repairIdentity(
        of record: WALRecord, at offset: Int, in segment: WALSegmentFile, _ header: WALSegmentHeader, seed: UInt32
    ) {
        var writer = ByteWriter()
        WALSegmentHeader.encode(record.identity, at: offset, seed: seed, into: &writer)
        let place = header.identityOffset(of: record.number)
        identityRepairs += [
            .write(file: segment.name, offset: place, bytes: writer.bytes), .sync(file: segment.name),
        ]
        notes.append("\(segment.name): the identity of record \(record.number) is unreadable, the record is good")
    }

    // MARK: Judgement

    /// The rows of the table at `WALVerdict` below the first good record.
    private mutating func judge(_ damage: Damage) {
        var evidence = WALTailEvidence()
        for (place, segment) in segments.enumerated() where place >= damage.place {
            evidence.gather(
                segment.bytes, header: segment.header, seed: owner.seed(segment: segment.number),
                from: place == damage.place ? damage.offset : segment.header?.recordsOffset ?? 0,
                number: replay.nextNumber)
        }
        let isFaulty = damage.isProven || evidence.durableBefore > replay.nextNumber
        if planted(.damageIsTorn) || (!isFaulty && evidence.last == nil) {
            if evidence.residueBytes > 0 {
                verdict = .torn(droppedBytes: evidence.residueBytes)
                cleanEnd = nil
            }
            return
        }
        cleanEnd = nil
        let end = replay.terms.last
        // With no trace of the last entry, only one of a term after all our promises is known to follow it.
        let unknown = LogPosition(index: (evidence.last?.index ?? end.index).next, term: hardStateTerm.next)
        let last = damage.hidesEnd ? unknown : evidence.last ?? unknown
        let found = WALDoubt(
            kind: isFaulty ? .faulty : .doubtful, first: min(evidence.first ?? last.index, end.index.next), last: last)
        let combined = found.combined(with: replay.doubt)
        verdict = combined.kind == .faulty ? .faulty(combined) : .doubtful(combined)
    }

    // MARK: The snapshot

    /// The log and the snapshot together:
    ///
    ///     the log begins after the snapshot                faulty: what lies between is missing
    ///     it ends before the snapshot, or contradicts it   the snapshot came from a leader, or was taken before the
    ///                                                      entries were durable here: the log goes on after it
    ///     else                                             the log goes on at its end
    private mutating func fitSnapshot() {
        let terms = replay.terms
        if terms.base.index > snapshot.index {
            notes.append("entries \(snapshot.index.next) to \(terms.base.index) are missing: a snapshot was lost")
            let lost = WALDoubt(kind: .faulty, first: snapshot.index.next, last: terms.last).combined(with: doubt)
            verdict = .faulty(lost)
            restart = snapshot
            // The doubt goes into a new file's header, so that the restart cannot hide it.
            cleanEnd = nil
        } else if terms.term(at: snapshot.index) != snapshot.term {
            notes.append("the log ends at \(terms.last) and goes on after the snapshot of \(snapshot)")
            restart = snapshot
            guard let doubt else { return }
            guard let left = WALReplay.doubt(doubt, at: snapshot) else {
                verdict = .clean
                return
            }
            let rest = WALDoubt(kind: left.kind, first: max(left.first, snapshot.index.next), last: left.last)
            verdict = rest.kind == .faulty ? .faulty(rest) : .doubtful(rest)
        } else {
            entries = replay.entries
        }
    }
}
