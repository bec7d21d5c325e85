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
    private var held: [Held] = []

    init(recoveredThrough index: LogIndex) {
        durableIndex = index
        issuedIndex = index
    }

    /// When the write that is under way was issued; nil if there is none.
    var writingSince: Instant? { outstanding?.issuedAt }

    var isHardStateDurable: Bool { !isHardStateDirty && outstanding?.hasHardState != true }

    mutating func noteHardStateChanged() { isHardStateDirty = true }

    mutating func noteTruncated(after index: LogIndex) {
        if index < issuedIndex {
            truncateAfter = min(truncateAfter ?? index, index)
            issuedIndex = index
        }
        durableIndex = min(durableIndex, index)
        if let last = outstanding?.lastIndex { outstanding?.lastIndex = min(last, index) }
    }

    /// Sends at once if the hard state is durable, else when it is.
    mutating func sendWhenHardStateIsDurable(
        _ message: RaftMessage, to receiver: ReplicaID, into effects: inout [RaftEffect]
    ) {
        if isHardStateDurable {
            effects.append(.send(message, to: receiver))
        } else if held.count < Self.heldMax {
            let inFlight = outstanding?.sequence ?? nextSequence
            held.append(
                Held(sequence: isHardStateDirty ? nextSequence : inFlight, message: message, receiver: receiver))
        }
    }

    /// The next write, if one is due and none is under way.
    mutating func makeWrite(log: RaftLog, hardState: HardState, now: Instant) -> DurableWrite? {
        guard outstanding == nil, isHardStateDirty || truncateAfter != nil || issuedIndex < log.lastIndex else {
            return nil
        }
        let write = DurableWrite(
            sequence: nextSequence, hardState: isHardStateDirty ? hardState : nil, truncateAfter: truncateAfter,
            entries: log.entries(after: issuedIndex, through: log.lastIndex))
        outstanding = Outstanding(
            sequence: nextSequence, issuedAt: now, hasHardState: isHardStateDirty, lastIndex: log.lastIndex)
        nextSequence += 1
        issuedIndex = log.lastIndex
        truncateAfter = nil
        isHardStateDirty = false
        return write
    }

    /// The disk has finished `sequence`. Returns false for one that was already known to be finished.
    mutating func complete(_ sequence: UInt64, term: Term, into effects: inout [RaftEffect]) -> Bool {
        precondition(sequence < nextSequence, "write \(sequence) was never issued: the next is \(nextSequence)")
        guard let write = outstanding, write.sequence == sequence else { return false }
        outstanding = nil
        durableIndex = write.lastIndex
        let ready = held.prefix { $0.sequence <= sequence }
        for entry in ready where entry.message.term >= term {
            effects.append(.send(entry.message, to: entry.receiver))
        }
        held.removeFirst(ready.count)
        return true
    }

    func checkInvariants(lastIndex: LogIndex) {
        precondition(
            durableIndex <= issuedIndex && issuedIndex <= lastIndex,
            "durable \(durableIndex), issued \(issuedIndex), last \(lastIndex) are out of order")
        precondition(held.isEmpty || !isHardStateDurable, "\(held.count) messages wait for nothing")
        precondition(
            zip(held, held.dropFirst()).allSatisfy { $0.sequence <= $1.sequence }, "held messages are out of order")
    }
}
