import Primitives

/// The log on disk, sans I/O: it turns what consensus wants durable into disk operations, and whoever owns the disk
/// (a worker thread with real files, or the simulated disk) runs them in order. A write is durable when the last
/// operation of its plan has succeeded; an error is final.
///
/// Intuition: only ever append. An entry, a truncation, a settled doubt: each is a numbered record (`WALRecord`) after
/// the one before. Recovery replays numbers 1, 2, 3 ... and stops at the first that it cannot read, so whatever a crash
/// leaves is a prefix of what was planned, and a half-done truncation cannot mix two tails. Files are `WALSegment`s.
///
/// One plan makes everything it is given durable with the fewest syncs (group commit):
///
///     hard state changed:  A, sync, B, sync          first, since entries of a term imply its hard state
///     log changed:         records, identities, sync one file holds both, so one sync covers both
///     file full:           sync, next file's header, sync, directory sync
///
/// The file rotates only after it is synced: every later segment proves that all earlier records were durable.
package struct WriteAheadLog: Sendable {
    let owner: WALOwner
    let geometry: WALGeometry
    var slots: HardStateSlots
    /// The file that grows, and where.
    var active: ActiveSegment
    /// The number that the next record gets.
    var nextNumber: UInt64
    var terms: WALTermRuns
    /// The files of the log, oldest first; the last one is active.
    var segments: [WALSegmentSpan] = []
    /// Indexes of the snapshots on disk, ascending: two at most.
    var snapshots: [LogIndex] = []
    /// What recovery found missing and nobody has settled yet.
    package internal(set) var doubt: WALDoubt?
    /// The last `DurableWrite` planned.
    var lastSequence: UInt64 = 0
    /// A plan with term and vote did not run to its end: write them again whatever they are.
    var isHardStateUncertain = false
    /// An unfinished snapshot takes up space.
    var hasAbandonedSnapshot = false
    /// True if recovery said `newReplica`: then nothing may be planned.
    var isRetired = false

    struct ActiveSegment: Sendable {
        let header: WALSegmentHeader
        /// Where the next record goes.
        var end: Int
        /// Up to here the file has been written, with zeros beyond `end`.
        var zeroedThrough: Int
        let file: String
        let seed: UInt32

        init(header: WALSegmentHeader, end: Int, zeroedThrough: Int) {
            self.header = header
            self.end = end
            self.zeroedThrough = zeroedThrough
            file = WALSegmentHeader.fileName(header.segment)
            seed = header.owner.seed(segment: header.segment)
        }
    }

    package var hardState: HardState { slots.state }
    package var lastPosition: LogPosition { terms.last }

    /// Plans an empty directory for a new replica, whose id must never have been used: a vote under it counts from now
    /// on. Interrupted anywhere, it can be recovered or is still recognised as empty.
    package static func create(
        cluster: [UInt8], replica: ReplicaID, geometry: WALGeometry = .standard
    ) -> (WriteAheadLog, [DiskOperation]) {
        let owner = WALOwner(cluster: cluster, replica: replica)
        var log = WriteAheadLog(
            owner: owner, geometry: geometry, slots: HardStateSlots(), terms: WALTermRuns(), nextNumber: 1,
            segment: 1, doubt: nil)
        // The log before the slots: a readable slot then proves that there is a log.
        var operations = log.planSegment()
        operations += log.slots.planCreation(owner: owner) + [.syncDirectory]
        return (log, operations)
    }

    /// Plans a directory whose replica has lost its promises (`WALVerdict.newReplica`) for a new one: sets the old log's
    /// files, named by `fileNames`, aside under names that begin with `lost-`, then creates. Others' files stay.
    package static func replace(
        fileNames: [String], cluster: [UInt8], replica: ReplicaID, geometry: WALGeometry = .standard
    ) -> (WriteAheadLog, [DiskOperation]) {
        // The slots go first: interrupted, the directory still cannot be taken for a log in order.
        let slots = HardStateSlots.files.filter(fileNames.contains)
        let segments = fileNames.filter {
            WALSegmentHeader.segment(ofFile: $0) != nil || SnapshotFile.index(ofFile: $0) != nil
                || $0 == SnapshotFile.newName
        }.sorted()
        let (log, creation) = create(cluster: cluster, replica: replica, geometry: geometry)
        var operations: [DiskOperation] = slots.map { .rename(file: $0, to: "lost-" + $0) } + [.syncDirectory]
        operations += segments.map { .rename(file: $0, to: "lost-" + $0) } + [.syncDirectory]
        return (log, operations + creation)
    }

    init(
        owner: WALOwner, geometry: WALGeometry, slots: HardStateSlots, terms: WALTermRuns, nextNumber: UInt64,
        segment: UInt64, doubt: WALDoubt?
    ) {
        self.owner = owner
        self.geometry = geometry
        self.slots = slots
        self.terms = terms
        self.nextNumber = nextNumber
        self.doubt = doubt
        let header = WALSegmentHeader(
            owner: owner, segment: segment, firstNumber: nextNumber, base: terms.last,
            recordMax: geometry.recordMax, doubt: doubt)
        active = ActiveSegment(header: header, end: header.recordsOffset, zeroedThrough: header.recordsOffset)
    }

    // MARK: Inputs

    /// Plans these writes as one. All are durable when the last operation has succeeded; none is before.
    package mutating func plan(_ writes: [DurableWrite]) -> [DiskOperation] {
        precondition(!isRetired, "replica \(owner.replica) has lost its promises: start as a new replica")
        var operations: [DiskOperation] = []
        operations.reserveCapacity(4)
        if let hardState = writes.last(where: { $0.hardState != nil })?.hardState,
            hardState != slots.state || isHardStateUncertain
        {
            operations += slots.plan(hardState, owner: owner)
            isHardStateUncertain = false
        }
        if hasAbandonedSnapshot {
            operations.append(.remove(file: SnapshotFile.newName))
            hasAbandonedSnapshot = false
        }
        for write in writes {
            if let step = write.snapshot { operations += plan(step) }
        }
        let change = merge(writes)
        var kinds: [WALRecord.Kind] = []
        if let base = change.restart { kinds.append(.restart(after: base)) }
        if !planted(.truncationNotLogged), change.keepThrough < change.restart?.index ?? terms.lastIndex {
            kinds.append(.truncate(after: change.keepThrough))
        }
        kinds.reserveCapacity(kinds.count + change.entries.count)
        for entry in change.entries { kinds.append(.entry(entry)) }
        if !kinds.isEmpty { append(kinds, into: &operations) }
        for write in writes {
            if write.settlesDoubt, doubt != nil { append([.settle], into: &operations) }
            if case .publish(let metadata, _, _)? = write.snapshot {
                operations += planRemovals(published: metadata.position.index)
            }
        }
        return operations
    }

    // MARK: Private steps

    /// The net effect: a tail that is both written and dropped within one group never reaches the disk.
    private mutating func merge(
        _ writes: [DurableWrite]
    ) -> (restart: LogPosition?, keepThrough: LogIndex, entries: [Entry]) {
        var restart: LogPosition?
        var keepThrough = terms.lastIndex
        var entries: [Entry] = []
        for write in writes {
            precondition(
                write.sequence > lastSequence, "write \(write.sequence) comes after write \(lastSequence)")
            lastSequence = write.sequence
            if case .publish(let metadata, _, voidsLog: true)? = write.snapshot {
                restart = metadata.position
                keepThrough = metadata.position.index
                entries.removeAll(keepingCapacity: true)
            }
            if let kept = write.truncateAfter {
                let end = keepThrough + entries.count
                precondition(kept <= end, "cannot keep \(kept): the log ends at \(end)")
                if kept >= keepThrough {
                    entries.removeLast(end - kept)
                } else {
                    keepThrough = kept
                    entries.removeAll(keepingCapacity: true)
                }
            }
            if entries.isEmpty { entries = write.entries } else { entries.append(contentsOf: write.entries) }
        }
        return (restart, keepThrough, entries)
    }

    /// Records, their identities and one sync; more only where a file fills up.
    mutating func append(_ kinds: [WALRecord.Kind], into operations: inout [DiskOperation]) {
        var group = WALGroup(first: nextNumber)
        for kind in kinds {
            var record = WALRecord(number: nextNumber, group: group.first, kind: kind)
            if !hasRoom(for: record) {
                flush(group, into: &operations)
                operations += planSegment(after: active.header.segment)
                group = WALGroup(first: nextNumber)
                record = WALRecord(number: nextNumber, group: nextNumber, kind: kind)
            }
            note(kind)
            group.add(record, at: active.end, seed: active.seed)
            active.end += record.encodedBytes
            nextNumber += 1
        }
        flush(group, into: &operations)
    }

    private func hasRoom(for record: WALRecord) -> Bool {
        active.end + record.encodedBytes <= geometry.segmentBytes
            && nextNumber - active.header.firstNumber < UInt64(active.header.recordMax)
    }

    /// Keeps what is remembered of the log in step with the record.
    private mutating func note(_ kind: WALRecord.Kind) {
        switch kind {
        case .entry(let entry):
            precondition(
                entry.payload.count <= WALFormat.payloadMax,
                "entry \(entry.index) has \(entry.payload.count) bytes, more than \(WALFormat.payloadMax)")
            let position = LogPosition(index: entry.index, term: entry.term)
            precondition(terms.append(position), "entry \(position) does not follow \(terms.last)")
        case .truncate(let index):
            precondition(
                terms.truncate(after: index),
                "cannot keep \(index): the log holds \(terms.base.index) to \(terms.lastIndex)")
            noteUndercut(index)
        case .restart(let position):
            terms = WALTermRuns(base: position)
        case .settle:
            break
        }
        doubt = WALReplay.doubt(doubt, after: kind)
    }

    private mutating func flush(_ group: WALGroup, into operations: inout [DiskOperation]) {
        guard !group.records.bytes.isEmpty else { return }
        let file = active.file
        // Grow before the records go out: a full disk is then found before any of them is written.
        if active.end > active.zeroedThrough {
            let step = geometry.growthBytes
            let grown = max(active.end, min(geometry.segmentBytes, (active.end + step - 1) / step * step))
            let zeros = [UInt8](repeating: 0, count: grown - active.zeroedThrough)
            operations.append(.write(file: file, offset: active.zeroedThrough, bytes: zeros))
            active.zeroedThrough = grown
        }
        let start = active.end - group.records.count
        operations.append(.write(file: file, offset: start, bytes: group.records.bytes))
        let place = active.header.identityOffset(of: group.first)
        operations.append(.write(file: file, offset: place, bytes: group.identities.bytes))
        if !planted(.syncForgotten) { operations.append(.sync(file: file)) }
    }

    /// Opens the file after segment `previous`. First its zeros are durable, then its header, then records follow: a
    /// short file with a header, or a file with records and no header, is therefore rot and no torn creation.
    mutating func planSegment(after previous: UInt64 = 0) -> [DiskOperation] {
        let header = WALSegmentHeader(
            owner: owner, segment: previous + 1, firstNumber: nextNumber, base: terms.last,
            recordMax: geometry.recordMax, doubt: doubt)
        let step = geometry.growthBytes
        let size = (header.recordsOffset + step) / step * step
        active = ActiveSegment(header: header, end: header.recordsOffset, zeroedThrough: size)
        segments.append(WALSegmentSpan(number: header.segment, base: header.base))
        return [
            .write(file: active.file, offset: 0, bytes: [UInt8](repeating: 0, count: size)),
            .sync(file: active.file),
            .write(file: active.file, offset: 0, bytes: header.encodeBlock()),
            .sync(file: active.file),
            planted(.directoryNotSynced) ? .sync(file: active.file) : .syncDirectory,
        ]
    }
}

/// Records that one sync makes durable together, with their identities.
private struct WALGroup {
    let first: UInt64
    var records = ByteWriter(capacity: 512)
    var identities = ByteWriter(capacity: WALSegmentHeader.identityBytes)

    init(first: UInt64) { self.first = first }

    mutating func add(_ record: WALRecord, at offset: Int, seed: UInt32) {
        record.encode(into: &records, seed: seed)
        WALSegmentHeader.encode(record.identity, at: offset, seed: seed, into: &identities)
    }
}
