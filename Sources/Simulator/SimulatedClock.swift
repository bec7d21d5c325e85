import Primitives

/// One node's monotonic clock against the world's true time: it starts anywhere and runs a little fast or slow.
package struct SimulatedClock: Sendable {
    /// What the node's clock shows, minus true time scaled, when it was last set.
    private var offset: Int64
    /// Parts per million by which the clock gains on true time; negative if it is slow.
    package private(set) var driftPPM: Int64 = 0
    /// When, in true time, its rate or reading was changed last: `world` knows nothing of before.
    private(set) var changedAt: Instant = .zero

    package init(offset: Duration) {
        self.offset = offset.inNanoseconds
    }

    /// The node's reading at a moment of true time.
    package func local(_ world: Instant) -> Instant {
        Instant(nanoseconds: offset + world.nanoseconds + scaled(world.nanoseconds))
    }

    /// The first moment of true time at which the node's clock shows `local` or more.
    package func world(_ local: Instant) -> Instant {
        guard local < .distantFuture else { return .distantFuture }
        let elapsed = local.nanoseconds - offset
        let (whole, rest) = elapsed.quotientAndRemainder(dividingBy: 1_000_000 + driftPPM)
        var guess = whole * 1_000_000 + rest * 1_000_000 / (1_000_000 + driftPPM)
        // Scaling rounds: step to the exact moment, a few nanoseconds away.
        while guess + scaled(guess) >= elapsed { guess -= 1 }
        while guess + scaled(guess) < elapsed { guess += 1 }
        return Instant(nanoseconds: guess)
    }

    /// Changes the rate from now on, without a jump.
    package mutating func setDrift(ppm: Int64, at world: Instant) {
        let shown = local(world)
        changedAt = world
        driftPPM = ppm
        offset = shown.nanoseconds - world.nanoseconds - scaled(world.nanoseconds)
    }

    /// Shows `offset` now and goes on from there at the same rate.
    package mutating func restart(offset shown: Duration, at world: Instant) {
        changedAt = world
        offset = shown.inNanoseconds - world.nanoseconds - scaled(world.nanoseconds)
    }

    private func scaled(_ nanoseconds: Int64) -> Int64 {
        driftPPM == 0 ? 0 : nanoseconds / 1_000_000 * driftPPM + nanoseconds % 1_000_000 * driftPPM / 1_000_000
    }
}
