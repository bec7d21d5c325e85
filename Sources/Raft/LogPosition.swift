import Primitives

/// A place in the log and the term that wrote it: the identity of an entry (Raft §5.3).
///
/// Compared as voters compare logs (Raft §5.4.1): the later last term wins, then the longer log.
package struct LogPosition: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let index: LogIndex
    package let term: Term

    package init(index: LogIndex, term: Term) {
        self.index = index
        self.term = term
    }

    /// Before the first entry.
    package static let zero = LogPosition(index: .zero, term: .zero)

    package static func < (a: LogPosition, b: LogPosition) -> Bool { (a.term, a.index) < (b.term, b.index) }

    package var description: String { "\(index)@\(term)" }
}
