import Cuv
import Primitives

/// Wakes the loop at one moment, at most once an arming. Never early by `MonotonicClock`; late by up to about 2 ms plus
/// whatever the loop is busy with, since libuv counts whole milliseconds from the start of a turn.
///
/// A turn in which it fired always comes to its check hooks: libuv looks how long it may sleep after the timers have run,
/// and would sleep without end if this was the only one.
package final class LoopTimer {
    private let handle: Handle
    private let onFire: () -> Void
    private var deadline: Instant?
    /// In milliseconds, how long a timer that has fired still ends the loop's sleep.
    private static let afterglow: UInt64 = 1

    /// `onFire` runs in the timer phase, before sockets: see `Loop`.
    package init(on loop: Loop, _ onFire: @escaping () -> Void = {}) throws(UVError) {
        handle = try Handle(UV_TIMER, on: loop, "make a timer") {
            uv_timer_init(loop.memory, $0.assumingMemoryBound(to: uv_timer_t.self))
        }
        self.onFire = onFire
        handle.owner = self
    }

    /// Replaces an earlier deadline. A moment that has passed fires in the next turn.
    package func arm(at deadline: Instant) {
        guard !handle.isClosing else { return }
        self.deadline = deadline
        start()
    }

    package func disarm() {
        guard !handle.isClosing else { return }
        deadline = nil
        uv_timer_stop(handle.pointer(as: uv_timer_t.self))
    }

    package func close() { handle.close() }

    private func start() {
        guard let deadline else { return }
        uv_update_time(handle.loop.memory)
        let span = deadline - MonotonicClock.now()
        let milliseconds = max(0, (span.inNanoseconds &+ 999_999) / 1_000_000)
        uv_timer_start(
            handle.pointer(as: uv_timer_t.self), { LoopTimer.from($0)?.fire() }, UInt64(milliseconds),
            Self.afterglow)
    }

    private func fire() {
        guard let deadline else {
            uv_timer_stop(handle.pointer(as: uv_timer_t.self))
            return
        }
        // libuv's turn began up to a millisecond before its clock says; the rest is waited for.
        guard deadline <= MonotonicClock.now() else { return start() }
        self.deadline = nil
        onFire()
    }

    private static func from(_ raw: UnsafeMutablePointer<uv_timer_t>?) -> LoopTimer? {
        Handle.owner(of: raw, as: LoopTimer.self)
    }
}
