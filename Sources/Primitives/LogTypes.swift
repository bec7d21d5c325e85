// The vocabulary that consensus and the state it replicates share. Wrapped, so that an index is never taken for a term.

/// A position in the replicated log. The first entry has index 1; 0 means "before the log".
package struct LogIndex: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let value: UInt64
    package init(_ value: UInt64) { self.value = value }
    package static let zero = LogIndex(0)
    package var next: LogIndex { LogIndex(value + 1) }
    /// The index before this one. Traps at zero: nothing precedes the log.
    package var previous: LogIndex {
        precondition(value > 0, "index 0 has no predecessor")
        return LogIndex(value - 1)
    }
    package static func < (a: LogIndex, b: LogIndex) -> Bool { a.value < b.value }
    package static func + (index: LogIndex, count: Int) -> LogIndex { LogIndex(index.value + UInt64(count)) }
    /// How many entries lie after `b` up to and including `a`. Traps if `a` is before `b`.
    package static func - (a: LogIndex, b: LogIndex) -> Int { Int(a.value - b.value) }
    package var description: String { String(value) }
}

/// An election term (Raft §5.1); also the epoch of whoever led it.
package struct Term: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let value: UInt64
    package init(_ value: UInt64) { self.value = value }
    package static let zero = Term(0)
    package var next: Term { Term(value + 1) }
    package static func < (a: Term, b: Term) -> Bool { a.value < b.value }
    package var description: String { String(value) }
}

/// Replicated time: milliseconds that the mesh has spent under some leader since its first entry.
///
/// Carried by entries and heartbeats, advanced by leaders alone, identical on every node at the same log index.
/// It stands still while there is no leader, and is never read from a wall clock.
package struct LogTime: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let milliseconds: Int64
    package init(milliseconds: Int64) { self.milliseconds = milliseconds }
    package static let zero = LogTime(milliseconds: 0)
    package static func < (a: LogTime, b: LogTime) -> Bool { a.milliseconds < b.milliseconds }
    package static func + (time: LogTime, span: Duration) -> LogTime {
        LogTime(milliseconds: time.milliseconds + span.inMilliseconds)
    }
    package static func - (later: LogTime, earlier: LogTime) -> Duration {
        .milliseconds(later.milliseconds - earlier.milliseconds)
    }
    package var description: String { "\(milliseconds)ms" }
}

/// The identity of one copy of the log: random, made together with a data directory and bound in the log's
/// configuration. Votes belong to it, so a wiped directory cannot vote twice under an old name.
package struct ReplicaID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let value: UInt64
    package init(_ value: UInt64) { self.value = value }
    package static func < (a: ReplicaID, b: ReplicaID) -> Bool { a.value < b.value }
    package var description: String { Hex.encode((0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) }) }
}
