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

    private let segments: [WALSegmentFile]
    private let owner: WALOwner
    private let hardStateTerm: Term

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
    init(of segments: [WALSegmentFile], owner: WALOwner, hardStateTerm: Term) {
        self.segments = segments
        self.owner = owner
        self.hardStateTerm = hardStateTerm
        let damage = replaySegments()
        if let damage { judge(damage) }
        if case .clean = verdict, let doubt = replay.doubt {
            verdict = doubt.kind == .faulty ? .faulty(doubt) : .doubtful(doubt)
        }
    }

    // MARK: Replay

    /// Nil if the log ends in zeros.
    private mutating func replaySegments() -> Damage? {
        for (place, segment) in segments.enumerated() {
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
            replay.doubt = header.doubt
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
            guard number - header.firstNumber < UInt64(header.recordMax),
                let found = WALRecord.header(in: segment.bytes, at: offset, seed: seed),
                let record = WALRecord.decode(found, in: segment.bytes),
                header.identity(of: number, in: segment.bytes, seed: seed) ?? record.identity == record.identity,
                replay.apply(record)
            else {
                cleanEnd = offset
                // A later file was created only after everything in this one was durable.
                return Damage(place: place, offset: offset, isProven: place + 1 < segments.count)
            }
            repairIdentity(of: record, at: offset, in: segment, header, seed: seed)
            offset = found.end
        }
        return nil
    }

    private mutating func repairIdentity(
        of record: WALRecord, at offset: Int, in segment: WALSegmentFile, _ header: WALSegmentHeader, seed: UInt32
    ) {
        guard header.identity(of: record.number, in: segment.bytes, seed: seed) == nil else { return }
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
        if !isFaulty, evidence.last == nil {
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
}
