import NodeCore
import Primitives

// What nodes believe of time: monotonic clocks that drift and begin elsewhere after a reboot, wall clocks that jump,
// and timers that fire late.
extension World {
    package mutating func setDrift(ppm: Int64, of node: Int) {
        if ppm != 0 { faults.note(ppm > 0 ? .driftFast : .driftSlow) }
        nodes[node].clock.setDrift(ppm: ppm, at: now)
        // Its deadlines fall on other moments of true time now.
        nodes[node].wakeAt = .distantFuture
        scheduleWake(of: node)
    }

    /// Moves what a node takes for the time of day. The monotonic clock, which all deadlines use, does not notice.
    package mutating func jumpWallClock(by span: Duration, of node: Int) {
        faults.note(span > .zero ? .wallJumpForward : .wallJumpBack)
        nodes[node].wallClockError += span
        guard nodes[node].isRunning else { return }
        step(node, .wallClock(unixMilliseconds: unixMilliseconds(of: node)))
    }

    /// 2025-01-01: where the simulated wall clocks start.
    private static let unixAtStart: Int64 = 1_735_689_600_000

    func unixMilliseconds(of node: Int) -> Int64 {
        Self.unixAtStart + now.nanoseconds / 1_000_000 + nodes[node].wallClockError.inNanoseconds / 1_000_000
    }

    /// After a reboot a monotonic clock has begun anew, and its readings mean nothing to those before.
    mutating func restartClock(of node: Int) {
        faults.note(.clockRestart)
        nodes[node].clock.restart(offset: random.duration(in: .seconds(1)...(.seconds(100_000))), at: now)
    }

    mutating func drawLateness(of node: Int) -> Duration {
        faults.note(.lateTimer)
        return random.duration(in: .zero...nodes[node].timerLateness)
    }
}
