import NodeCore
import Primitives

/// What one seed of the swarm does: drawn once, before anything happens.
package struct SwarmPlan: Sendable {
    /// Things that can be done to a mesh. What they cause is counted as `FaultClass`.
    package enum Trouble: String, CaseIterable, Sendable {
        case partition, isolation, oneWayCut, topology, flap
        case loss, delay, duplication, reordering, clog, streamReset, streamStall
        case corruption, truncation, replay, foreignFrames, misdelivery, strangeSource
        case slowDisk, hungDisk, fullDisk, syncError, syncErrorOnce, lyingDisk, misdirectedWrite
        case rot, readError, cutTail, wipe, rollBack
        case drift, wallJump, pause, suspend, lateTimers
        case crash, killInBatch, powerCutInBatch, powerCut, powerCutAll, powerCutInRecovery
        case slowStart, newConfiguration, upgrade
    }

    package let nodes: Int
    /// Never empty.
    package let troubles: [Trouble]
    package let habits: ClientWorkload.Habits
    /// The time between two troubles.
    package let pace: ClosedRange<Duration>
    /// A power cut keeps any of the unsynced changes, instead of a prefix.
    package let reordersWrites: Bool
    /// Short logs, so that followers need snapshots; nil: as a real node takes them.
    package let snapshotAfterEntries: Int?
    package let electionTimeout: Duration
    package let heartbeatInterval: Duration
    /// Troubles choose the leader half of the time.
    package let huntsLeader: Bool
    /// Timeouts run out almost at once, so that campaigns collide.
    package let collidesElections: Bool
    /// The mesh measures its election timeout and changes it.
    package let measuresTimeout: Bool
    /// Programs of the level before, which are upgraded one by one.
    package let beginsOutdated: Bool

    init(nodes wanted: Int?, random: inout SeededRandom) {
        nodes = wanted ?? [3, 5, 5, 5, 7][random.below(5)]
        var chosen = Trouble.allCases.filter { _ in random.chance(1, in: 2) }
        if chosen.isEmpty { chosen = [.crash] }
        troubles = chosen
        habits = Self.drawHabits(&random)
        let most = random.duration(in: .milliseconds(300)...(.seconds(3)))
        pace = .milliseconds(100)...most
        reordersWrites = random.chance(1, in: 2)
        snapshotAfterEntries = [nil, 20, 60, 200][random.below(4)]
        let isQuick = random.chance(1, in: 4)
        electionTimeout = .milliseconds(isQuick ? 150 : 300)
        heartbeatInterval = .milliseconds(isQuick ? 30 : 60)
        huntsLeader = random.chance(1, in: 2)
        collidesElections = random.chance(1, in: 2)
        measuresTimeout = random.chance(1, in: 3)
        beginsOutdated = random.chance(1, in: 6)
    }

    func worldSettings(seed: UInt64) -> WorldSettings {
        var settings = WorldSettings(nodes: nodes, seed: seed)
        settings.electionTimeout = electionTimeout
        settings.heartbeatInterval = heartbeatInterval
        if collidesElections { settings.electionJitter = .milliseconds(4) }
        settings.snapshotAfterEntries = snapshotAfterEntries
        if measuresTimeout { settings.electionTimeoutPolicy = .measured(.milliseconds(100)...(.seconds(2))) }
        return settings
    }

    private static func drawHabits(_ random: inout SeededRandom) -> ClientWorkload.Habits {
        func share(_ most: Int) -> Int { random.chance(1, in: 2) ? random.below(most) : 0 }
        var habits = ClientWorkload.Habits()
        habits.retryPerMille = share(1000)
        habits.duplicatePerMille = share(200)
        habits.abandonPerMille = share(200)
        habits.burstPerMille = share(20)
        habits.largePerMille = share(300)
        return habits
    }
}
