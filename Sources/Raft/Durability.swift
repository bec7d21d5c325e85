import Primitives

/// What is on disk, what is on its way there, and which messages wait for it: the durability contract.
///
/// One write is outstanding at a time; whatever is due meanwhile gathers into the next (group commit). A message that
/// reveals a term or a vote leaves only after the write that holds them; an acknowledgement names only durable
/// entries.
struct Durability: Sendable {
    /// Held messages beyond this are dropped as if lost on the way.
    static let heldMax = 1024

    private struct Outstanding: Sendable {
        let sequence: UInt64
        let issuedAt: Instant
        let hasHardState: Bool
        let snapshot: SnapshotStep?
        let truncateAfter: LogIndex?
        let settlesDoubt: Bool
        /// Term and vote only, because the disk is full.
        let isReduced: Bool
        /// What was being published, to be published again if the disk was full.
        let publishing: SnapshotWriting?
        /// The end of what this write makes durable; drawn back when a conflict truncates the log meanwhile.
        var lastIndex: LogIndex
    }

    private struct Held: Sendable {
        let sequence: UInt64
        let message: RaftMessage
        let receiver: ReplicaID
    }

    /// Every entry up to here is on disk and still in the log.
    private(set) var durableIndex: LogIndex
    /// Every entry up to here has been handed to a write and is still in the log.
    private(set) var issuedIndex: LogIndex
    private var nextSequence: UInt64 = 1
    private var outstanding: Outstanding?
    private var truncateAfter: LogIndex?
    private var isHardStateDirty = false
    private var isDoubtSettled = false
    /// The snapshot that is being written, slice by slice.
    private(set) var snapshot: SnapshotWriting?
    /// The newest snapshot that is on disk for sure.
    private(set) var durableSnapshot: LogPosition
    /// The disk took no entries the last time; they are tried again at `retryAt`. Term and vote have their space.
    private(set) var isFull = false
    private(set) var retryAt = Instant.distantFuture
    private var held: [Held] = []

    init(recoveredThrough index: LogIndex, snapshot: LogPosition = .zero) {
        durableSnapshot = snapshot
        durableIndex = index
        issuedIndex = index
    }

    /// When the write that is under way was issued; nil if there is none.
    var writingSince: Instant? { outstanding?.issuedAt }

    var isHardStateDurable: Bool { !isHardStateDirty && outstanding?.hasHardState != true }

    /// A crash now would bring nothing back that was cut off.
    var isTruncationDurable: Bool { truncateAfter == nil && outstanding?.truncateAfter == nil }

    mutating func noteHardStateChanged() { isHardStateDirty = true }
    mutating func noteDoubtSettled() { isDoubtSettled = true }

    mutating func noteTruncated(after index: LogIndex) {
        if index < issuedIndex {
            truncateAfter = min(truncateAfter ?? index, index)
            issuedIndex = index
        }
        if planted(.truncationStaysDurable) { return }
        durableIndex = min(durableIndex, index)
        if let last = outstanding?.lastIndex { outstanding?.lastIndex = min(last, index) }
    }

    /// Sends at once if the hard state is durable, else when it is.
    mutating func sendWhenHardStateIsDurable(
        _ message: RaftMessage, to receiver: ReplicaID, into effects: inout [RaftEffect]
    ) {
        if isHardStateDurable || planted(.voteSentEarly) {
            effects.append(.send(message, to: receiver))
        } else if held.count < Self.heldMax {
            let inFlight = outstanding?.sequence ?? nextSequence
            held.append(
                Held(sequence: isHardStateDirty ? nextSequence : inFlight, message: message, receiver: receiver))
        }
    }

    /// The next write, if one is due and none is under way.
    mutating func makeWrite(log: RaftLog, hardState: HardState, now: Instant) -> DurableWrite? {
        guard outstanding == nil else { return nil }
        if isFull, now < retryAt { return isHardStateDirty ? makeReducedWrite(hardState: hardState, now: now) : nil }
        isFull = isFull && (truncateAfter != nil || issuedIndex < log.lastIndex || snapshot != nil)
        guard
            isHardStateDirty || truncateAfter != nil || issuedIndex < log.lastIndex || isDoubtSettled || snapshot != nil
        else { return nil }
        let publishing = snapshot?.publication == nil ? nil : snapshot
        let step = takeSnapshotStep()
        let write = DurableWrite(
            sequence: nextSequence, hardState: isHardStateDirty ? hardState : nil, snapshot: step,
            truncateAfter: truncateAfter, entries: log.entries(after: issuedIndex, through: log.lastIndex),
            settlesDoubt: isDoubtSettled)
        outstanding = Outstanding(
            sequence: nextSequence, issuedAt: now, hasHardState: isHardStateDirty, snapshot: step,
            truncateAfter: truncateAfter, settlesDoubt: isDoubtSettled, isReduced: false, publishing: publishing,
            lastIndex: log.lastIndex)
        nextSequence += 1
        issuedIndex = log.lastIndex
        truncateAfter = nil
        isHardStateDirty = false
        isDoubtSettled = false
        return write
    }

    /// The disk has finished `sequence`. Returns false for one that was already known to be finished.
    mutating func complete(_ sequence: UInt64, term: Term, into effects: inout [RaftEffect]) -> Bool {
        precondition(sequence < nextSequence, "write \(sequence) was never issued: the next is \(nextSequence)")
        guard let write = outstanding, write.sequence == sequence else { return false }
        outstanding = nil
        durableIndex = write.lastIndex
        if !write.isReduced { isFull = false }
        if case .publish(let metadata, _, _) = write.snapshot { durableSnapshot = metadata.position }
        let ready = held.prefix { $0.sequence <= sequence || planted(.heldReleasedEarly) }
        for entry in ready where entry.message.term >= term {
            effects.append(.send(entry.message, to: entry.receiver))
        }
        held.removeFirst(ready.count)
        return true
    }

    func checkInvariants(lastIndex: LogIndex) {
        precondition(
            snapshot.map { $0.written <= $0.snapshot.bytes.count } ?? true,
            "more of a snapshot is written than there is")
        precondition(
            durableIndex <= issuedIndex && issuedIndex <= lastIndex,
            "durable \(durableIndex), issued \(issuedIndex), last \(lastIndex) are out of order")
        precondition(held.isEmpty || !isHardStateDurable, "\(held.count) messages wait for nothing")
        precondition(
            zip(held, held.dropFirst()).allSatisfy { $0.sequence <= $1.sequence }, "held messages are out of order")
    }
}

// MARK: - Snapshots

/// A snapshot on its way to disk.
struct SnapshotWriting: Sendable {
    let snapshot: Snapshot
    /// A leader sent it; else it was taken here.
    let isReceived: Bool
    let sliceBytes: Int
    /// Handed to writes.
    var written = 0
    /// Set when every slice is durable and the log was made to fit: the next write publishes it.
    var publication: SnapshotStep?

    /// Whether the last slice has been handed out.
    var isWritten: Bool { written == snapshot.bytes.count && written > 0 }
}

extension Durability {
    /// Begins to write a snapshot. One that is being written is abandoned unless it is as new.
    mutating func begin(_ next: Snapshot, isReceived: Bool, sliceBytes: Int) {
        precondition(!next.bytes.isEmpty, "a snapshot of nothing at \(next.position)")
        if let snapshot, snapshot.snapshot.position.index >= next.position.index { return }
        snapshot = SnapshotWriting(snapshot: next, isReceived: isReceived, sliceBytes: sliceBytes)
    }

    /// The snapshot all of whose slices are durable, and which waits to be published.
    var publishable: SnapshotWriting? {
        guard outstanding == nil, !isFull, let snapshot, snapshot.isWritten, snapshot.publication == nil else {
            return nil
        }
        return snapshot
    }

    /// Publishes with the next write. Of a log that it voids, what was `committed` before lies on disk until then, and
    /// nothing else that the new one says.
    mutating func publish(voidsLog: Bool, committed: LogIndex) {
        guard let id = snapshot?.snapshot.id, let metadata = snapshot?.snapshot.metadata else {
            preconditionFailure("there is no snapshot to publish")
        }
        snapshot?.publication = .publish(metadata, id, voidsLog: voidsLog)
        guard voidsLog else { return }
        issuedIndex = metadata.position.index
        durableIndex = min(durableIndex, committed)
        truncateAfter = nil
    }

    mutating func abandonSnapshot() { snapshot = nil }

    private mutating func takeSnapshotStep() -> SnapshotStep? {
        guard var writing = snapshot else { return nil }
        if let publication = writing.publication {
            snapshot = nil
            return publication
        }
        guard !writing.isWritten else { return nil }
        let start = writing.written
        writing.written = min(start + writing.sliceBytes, writing.snapshot.bytes.count)
        snapshot = writing
        return .slice(offset: start, Array(writing.snapshot.bytes[start..<writing.written]))
    }
}

// MARK: - A full disk

extension Durability {
    /// There was no space for this write. Nothing of it counts; it is tried again at `retry`, and until then only term
    /// and vote are written, whose files have their full length since the beginning: elections go on.
    mutating func fail(_ sequence: UInt64, retryAt retry: Instant) {
        guard let write = outstanding, write.sequence == sequence else { return }
        outstanding = nil
        isFull = true
        retryAt = retry
        if write.hasHardState { isHardStateDirty = true }
        if write.settlesDoubt { isDoubtSettled = true }
        if let after = write.truncateAfter { truncateAfter = min(truncateAfter ?? after, after) }
        if let publishing = write.publishing {
            snapshot = publishing
        } else if write.snapshot != nil {
            snapshot = nil
        }
        // A log that the snapshot voids begins after it, on disk not before it is published.
        if case .publish(_, _, voidsLog: true)? = write.snapshot { return }
        if !planted(.fullDiskForgets) { issuedIndex = min(issuedIndex, durableIndex) }
    }

    private mutating func makeReducedWrite(hardState: HardState, now: Instant) -> DurableWrite {
        let write = DurableWrite(sequence: nextSequence, hardState: hardState)
        outstanding = Outstanding(
            sequence: nextSequence, issuedAt: now, hasHardState: true, snapshot: nil, truncateAfter: nil,
            settlesDoubt: false, isReduced: true, publishing: nil, lastIndex: durableIndex)
        nextSequence += 1
        isHardStateDirty = false
        return write
    }
}
