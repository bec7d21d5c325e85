import Primitives

/// Recovery: total over whatever is on disk (the table is at `WALVerdict`). It never writes.
///
/// Replays the segments in order, from the one that the oldest kept snapshot needs. (Bases: `WALScan.fitSnapshot`.) Where a later segment's first record lies within an earlier one, the rest of the
/// earlier one is void (an earlier recovery left it behind). The first record that cannot be read ends the log; what
/// survives beyond it decides between torn, doubtful and faulty.
extension WriteAheadLog {
    package static func recover(
        from disk: some DiskReader, cluster: [UInt8], replica: ReplicaID, geometry: WALGeometry = .standard
    ) throws(WALError) -> WALRecovery {
        let owner = WALOwner(cluster: cluster, replica: replica)
        let names = try fileNames(of: disk)
        let slots = try readSlots(disk, names: names, owner: owner)
        var segments: [WALSegmentFile]
        do throws(WALError) {
            segments = try readSegments(disk, names: names, owner: owner)
        } catch {
            // Without hard state a log is nobody's: it may be of a replica that this directory was later.
            guard case .foreignReplica = error, HardStateSlots.recover(slots, owner: owner) == nil else { throw error }
            return retired(owner, .hardStateLost, HardStateSlots(), geometry, ["\(error)"])
        }
        var notes: [String] = []
        let snapshots = try readSnapshots(disk, names: names, owner: owner, notes: &notes)
        for (slot, file) in zip(slots, HardStateSlots.files) {
            if case .bad(let why) = slot { notes.append("\(file): \(why); the other slot decides") }
        }
        // A file whose creation the power cut off: never used, since its header is synced before any record.
        var leftover = snapshots.leftover
        if let last = segments.last, last.header == nil, last.isUnborn {
            leftover += [.remove(file: last.name), .syncDirectory]
            notes.append("\(last.name): its creation was cut off; it was never used")
            segments.removeLast()
        }
        guard let state = HardStateSlots.recover(slots, owner: owner) else {
            let isEmpty = segments.isEmpty && !HardStateSlots.files.contains(where: names.contains)
            return retired(owner, isEmpty ? .empty : .hardStateLost, HardStateSlots(), geometry, notes)
        }
        guard !segments.isEmpty else { return retired(owner, .logLost, state.slots, geometry, notes) }

        let scan = WALScan(
            of: segments, owner: owner, hardStateTerm: state.slots.state.term,
            snapshot: snapshots.newest?.position ?? .zero)
        let reached = max(scan.replay.terms.last.term, snapshots.newest?.position.term ?? .zero)
        guard reached <= state.slots.state.term else {
            let reason = WALVerdict.NewReplicaReason.hardStateStale(
                hardState: state.slots.state.term, log: reached)
            return retired(owner, reason, state.slots, geometry, notes)
        }
        for entry in scan.entries where entry.kind == .configuration {
            do throws(DecodeError) { _ = try Configuration.decode(entry.payload) } catch {
                throw .unknownConfiguration(at: entry.index, cause: "\(error)")
            }
        }
        return resume(
            scan, snapshots, slots: state.slots, owner: owner, geometry: geometry,
            lastSegment: segments[segments.count - 1], repairs: state.repairs + leftover, notes: notes)
    }

    /// The log that goes on: in the last file if its end is clean, else in a new file that voids what is damaged.
    private static func resume(
        _ scan: WALScan, _ snapshots: FoundSnapshots, slots: HardStateSlots, owner: WALOwner, geometry: WALGeometry,
        lastSegment: WALSegmentFile, repairs: [DiskOperation], notes: [String]
    ) -> WALRecovery {
        var log = WriteAheadLog(
            owner: owner, geometry: geometry, slots: slots, terms: scan.replay.terms,
            nextNumber: scan.replay.nextNumber, segment: lastSegment.number, doubt: scan.doubt)
        log.segments = scan.spans
        log.snapshots = snapshots.indexes
        var repairs = repairs
        if let end = scan.cleanEnd, let header = lastSegment.header {
            log.active = ActiveSegment(header: header, end: end, zeroedThrough: max(end, lastSegment.bytes.count))
            repairs += scan.identityRepairs + [.sync(file: lastSegment.name), .syncDirectory]
        } else {
            // What stays valid in the old file must be durable before a new file says that it is. The doubt goes into
            // the new file's header, whose appearance voids the evidence for it: there is no moment between.
            repairs += scan.identityRepairs + [.sync(file: lastSegment.name)]
            repairs += log.planSegment(after: lastSegment.number)
        }
        if let position = scan.restart { log.append([.restart(after: position)], into: &repairs) }
        let base = scan.restart ?? scan.replay.terms.base
        return WALRecovery(
            log: log, hardState: slots.state, snapshot: snapshots.newest, base: base, entries: scan.entries,
            verdict: scan.verdict, repairs: repairs,
            notes: notes + scan.notes)
    }

    private static func retired(
        _ owner: WALOwner, _ reason: WALVerdict.NewReplicaReason, _ slots: HardStateSlots, _ geometry: WALGeometry,
        _ notes: [String]
    ) -> WALRecovery {
        var log = WriteAheadLog(
            owner: owner, geometry: geometry, slots: slots, terms: WALTermRuns(), nextNumber: 1, segment: 1, doubt: nil)
        log.isRetired = true
        return WALRecovery(
            log: log, hardState: slots.state, snapshot: nil, base: .zero, entries: [], verdict: .newReplica(reason),
            repairs: [], notes: notes)
    }

    // MARK: Reading

    private static func fileNames(of disk: some DiskReader) throws(WALError) -> [String] {
        do { return try disk.fileNames().sorted() } catch {
            throw .unreadable(file: "the data directory", cause: "\(error)")
        }
    }

    private static func read(_ name: String, from disk: some DiskReader) throws(WALError) -> [UInt8] {
        do { return try disk.read(name) } catch { throw .unreadable(file: name, cause: "\(error)") }
    }

    /// Both slots. One that cannot be read is bad like one that is damaged; if neither can, a person must look, since a
    /// wrong permission would otherwise cost the replica its identity.
    private static func readSlots(
        _ disk: some DiskReader, names: [String], owner: WALOwner
    ) throws(WALError) -> [HardStateSlots.Slot] {
        var slots: [HardStateSlots.Slot] = []
        var failure: WALError?
        for name in HardStateSlots.files {
            guard names.contains(name) else {
                slots.append(.bad("is missing"))
                continue
            }
            let bytes: [UInt8]
            do { bytes = try read(name, from: disk) } catch {
                failure = error
                slots.append(.bad("cannot be read"))
                continue
            }
            slots.append(try HardStateSlots.decode(bytes, name: name, owner: owner))
        }
        if let failure, slots.allSatisfy({ if case .bad = $0 { true } else { false } }) { throw failure }
        return slots
    }

    private static func readSegments(
        _ disk: some DiskReader, names: [String], owner: WALOwner
    ) throws(WALError) -> [WALSegmentFile] {
        var segments: [WALSegmentFile] = []
        for name in names {
            guard let number = WALSegmentHeader.segment(ofFile: name) else { continue }
            let bytes = try read(name, from: disk)
            let header = try WALSegmentHeader.decode(bytes, name: name, owner: owner)
            segments.append(WALSegmentFile(number: number, bytes: bytes, header: header))
        }
        return segments.sorted { $0.number < $1.number }
    }
}

/// The snapshots of a directory.
struct FoundSnapshots: Sendable {
    /// The newest good one.
    var newest: Snapshot?
    /// Its index and those of older ones, unread; ascending.
    var indexes: [LogIndex] = []
    /// Removes what is damaged or unfinished.
    var leftover: [DiskOperation] = []
}

extension WriteAheadLog {
    private static func readSnapshots(
        _ disk: some DiskReader, names: [String], owner: WALOwner, notes: inout [String]
    ) throws(WALError) -> FoundSnapshots {
        var found = FoundSnapshots()
        if names.contains(SnapshotFile.newName) { found.leftover.append(.remove(file: SnapshotFile.newName)) }
        for index in names.compactMap(SnapshotFile.index(ofFile:)).sorted(by: >) {
            let name = SnapshotFile.name(index)
            if found.newest == nil {
                guard let snapshot = try SnapshotFile.decode(try read(name, from: disk), name: name, owner: owner)
                else {
                    notes.append("\(name): damaged; an older snapshot, or the other replicas, take its place")
                    found.leftover += [.remove(file: name), .syncDirectory]
                    continue
                }
                found.newest = snapshot
            }
            found.indexes.insert(index, at: 0)
        }
        return found
    }
}

/// A segment as read.
struct WALSegmentFile: Sendable {
    let number: UInt64
    let bytes: [UInt8]
    let header: WALSegmentHeader?

    var name: String { WALSegmentHeader.fileName(number) }

    /// As a creation that was cut off leaves it: zeros of any length, or all its zeros and a part of the header.
    var isUnborn: Bool {
        let block = WALSegmentHeader.blockBytes
        return bytes.dropFirst(block).allSatisfy { $0 == 0 }
            && (bytes.count > block || bytes.allSatisfy { $0 == 0 })
    }
}
