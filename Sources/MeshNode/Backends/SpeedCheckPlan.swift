import Primitives

/// When a backend's model is to be measured by a `SpeedCheck`: soon after it came into memory, then ever more rarely.
///
/// A first figure is wanted before the first prompt. It may be taken while the machine is still starting, and a figure
/// that is too low keeps work away and so is never corrected by work: hence the repetitions. Their interval doubles, so
/// that they cost nothing in the long run, and do not keep alive for ever what a server unloads when it is idle.
package struct SpeedCheckPlan: Hashable, Sendable {
    private static let intervalMin: Duration = .seconds(5)
    /// However often a model comes and goes.
    private static let distanceMin: Duration = .seconds(30)
    private static let intervalMax: Duration = .seconds(3600)
    /// At most; see `SpeedCheck.run`.
    package static let firstTries = 10
    package static let laterTries = 4

    private var interval = Self.intervalMin
    private var dueAt = Instant.zero
    private var checkedAt: Instant?
    private var isFirst = true

    package init() {}

    /// Tries of the check that is due now, or nil if none is. Prompts that were measured lately make one needless.
    /// - Parameter measuredAt: by prompt or check; nil if never.
    package func triesDue(measuredAt: Instant?, now: Instant) -> Int? {
        guard now >= dueAt else { return nil }
        if !isFirst, let measuredAt, now - measuredAt < interval { return nil }
        return isFirst ? Self.firstTries : Self.laterTries
    }

    /// A check came to its end, with or without a figure. One that gave way to a prompt is not noted: it is due still.
    package mutating func noteChecked(now: Instant) {
        checkedAt = now
        dueAt = now + interval
        if !isFirst { interval = min(interval * 2, Self.intervalMax) }
        isFirst = false
    }

    /// The model was out of memory, or its server away, and is back. However often that happens, checks keep their
    /// distance.
    package mutating func noteReturned() {
        guard let checkedAt else { return }
        interval = Self.intervalMin
        isFirst = true
        dueAt = checkedAt + Self.distanceMin
    }
}
