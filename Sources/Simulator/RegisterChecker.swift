/// Judges the reads of one value that only one client writes, one operation at a time: linearizability (Herlihy and
/// Wing, 1990) for the histories that `ClientWorkload` makes.
///
/// Every write has a value of its own; 0 stands for "absent". A read must return the newest acknowledged write, or a
/// write whose outcome is unknown, which from then on is the newest. A refused write must never be seen at all: "nothing
/// was appended" is a promise.
///
/// Sound, not complete: an unknown write that took effect unseen and was overwritten is still accepted later.
package struct RegisterChecker: Sendable {
    private var current: UInt64 = 0
    /// Writes that may take effect at any time from now on.
    private var unknown: Set<UInt64> = []
    private var refused: Set<UInt64> = []

    package init() {}

    package mutating func noteWritten(_ value: UInt64) { current = value }
    package mutating func noteUnknown(_ value: UInt64) { unknown.insert(value) }
    package mutating func noteRefused(_ value: UInt64) { refused.insert(value) }

    /// Returns what is wrong with a linearizable read that found `value`, or nil.
    package mutating func noteRead(_ value: UInt64) -> String? {
        if value == current { return nil }
        if unknown.remove(value) != nil {
            current = value
            return nil
        }
        if refused.contains(value) { return "honesty: write \(value) was refused, and a read found it" }
        return "linearizability: a read found \(value) after \(current) was acknowledged"
    }
}
