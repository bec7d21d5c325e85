// The vocabulary that consensus and the state it replicates share. Wrapped, so that an index is never taken for a term.

/// A position in the replicated log. The first entry has index 1; 0 means "before the log".
@usableFromInline package struct LogIndex: Hashable, Comparable, Sendable, CustomStringConvertible {
    @usableFromInline package let value: UInt64
    @inlinable package init(_ value: UInt64) { self.value = value }
    @inlinable package static var zero: LogIndex { LogIndex(0) }
    @inlinable package var next: LogIndex { LogIndex(value + 1) }
    /// The index before this one. Traps at zero: nothing precedes the log.
    @inlinable package var previous: LogIndex {
        precondition(value > 0, "index 0 has no predecessor")
        return LogIndex(value - 1)
    }
    @inlinable package static func < (a: LogIndex, b: LogIndex) -> Bool { a.value < b.value }
    @inlinable package static func + (index: LogIndex, count: Int) -> LogIndex { LogIndex(index.value + UInt64(count)) }
    /// How many entries lie after `b` up to and including `a`. Traps if `a` is before `b`.
    @inlinable package static func - (a: LogIndex, b: LogIndex) -> Int { Int(a.value - b.value) }
    @usableFromInline package var description: String { String(value) }
}

/// An election term (Raft §5.1); also the epoch of whoever led it.
@usableFromInline package struct Term: Hashable, Comparable, Sendable, CustomStringConvertible {
    @usableFromInline package let value: UInt64
    @inlinable package init(_ value: UInt64) { self.value = value }
    @inlinable package static var zero: Term { Term(0) }
    @inlinable package var next: Term { Term(value + 1) }
    @inlinable package static func < (a: Term, b: Term) -> Bool { a.value < b.value }
    @usableFromInline package var description: String { String(value) }
}

/// Replicated time: milliseconds that the mesh has spent under some leader since its first entry.
///
/// Carried by entries and heartbeats, advanced by leaders alone, identical on every node at the same log index.
/// It stands still while there is no leader, and is never read from a wall clock.
@usableFromInline package struct LogTime: Hashable, Comparable, Sendable, CustomStringConvertible {
    @usableFromInline package let milliseconds: Int64
    @inlinable package init(milliseconds: Int64) { self.milliseconds = milliseconds }
    @inlinable package static var zero: LogTime { LogTime(milliseconds: 0) }
    @inlinable package static func < (a: LogTime, b: LogTime) -> Bool { a.milliseconds < b.milliseconds }
    @inlinable package static func + (time: LogTime, span: Duration) -> LogTime {
        LogTime(milliseconds: time.milliseconds + span.inMilliseconds)
    }
    @inlinable package static func - (later: LogTime, earlier: LogTime) -> Duration {
        .milliseconds(later.milliseconds - earlier.milliseconds)
    }
    @usableFromInline package var description: String { "\(milliseconds)ms" }
}

/// The identity of one copy of the log: random, made together with a data directory and bound in the log's
/// configuration. Votes belong to it, so a wiped directory cannot vote twice under an old name.
@usableFromInline package struct ReplicaID: Hashable, Comparable, Sendable, CustomStringConvertible {
    @usableFromInline package let value: UInt64
    @inlinable package init(_ value: UInt64) { self.value = value }
    @inlinable package static func < (a: ReplicaID, b: ReplicaID) -> Bool { a.value < b.value }
    @usableFromInline package var description: String {
        Hex.encode((0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) })
    }
}
