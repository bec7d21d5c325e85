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
        case straggling, impersonation, bounce, removal

        /// It harms what a disk holds, or makes it lie.
        var isHarm: Bool {
            switch self {
            case .lyingDisk, .misdirectedWrite, .rot, .readError, .cutTail, .wipe, .rollBack: true
            default: false
            }
        }
    }

    /// One side of the mesh that a seed looks at closely: only what troubles it happens, and in quick succession.
    package enum Focus: String, CaseIterable, Sendable {
        case elections, handOvers, membership, reads, disks, timeouts

        var troubles: [Trouble] {
            switch self {
            case .elections:
                [
                    .partition, .isolation, .oneWayCut, .topology, .flap, .delay, .duplication, .clog, .straggling,
                    .pause, .crash, .bounce, .newConfiguration, .impersonation,
                ]
            case .handOvers:
                [
                    .isolation, .oneWayCut, .loss, .loss, .loss, .delay, .duplication, .clog, .straggling, .straggling,
                    .straggling, .slowDisk, .pause, .bounce, .impersonation,
                ]
            case .membership:
                [
                    .removal, .removal, .removal, .partition, .isolation, .delay, .clog, .straggling, .slowDisk, .crash,
                    .bounce, .powerCut, .impersonation,
                ]
            case .reads:
                [
                    .isolation, .oneWayCut, .delay, .duplication, .reordering, .clog, .straggling, .pause, .bounce,
                    .impersonation,
                ]
            case .timeouts:
                [.delay, .delay, .slowDisk, .isolation, .oneWayCut, .straggling, .clog, .bounce, .powerCut]
            case .disks:
                [
                    .slowDisk, .hungDisk, .fullDisk, .syncErrorOnce, .rot, .rot, .rot, .crash, .bounce, .bounce,
                    .powerCut, .powerCutAll, .powerCutInBatch, .topology,
                ]
            }
        }
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
    /// Nil: everything at once.
    package let focus: Focus?
    /// The preferred leader takes over as soon as it is there.
    package let handsOverOften: Bool

    init(nodes wanted: Int?, focus wantedFocus: Focus?, random: inout SeededRandom) {
        nodes = wanted ?? [1, 3, 3, 3, 4, 5, 5, 5, 5, 5, 7, 7][random.below(12)]
        let drawn = Focus.allCases[random.below(Focus.allCases.count)]
        let isFocused = random.chance(1, in: 2)
        let focus = wantedFocus ?? (isFocused ? drawn : nil)
        self.focus = focus
        troubles = Self.drawTroubles(focus, &random)
        habits = Self.drawHabits(focus, &random)
        let longest: Duration = focus == nil ? .seconds(3) : .milliseconds(800)
        let most = random.duration(in: .milliseconds(300)...longest)
        pace = .milliseconds(100)...most
        reordersWrites = random.chance(1, in: 2)
        snapshotAfterEntries = [nil, 20, 60, 200][random.below(4)]
        let isQuick = random.chance(1, in: 4)
        electionTimeout = .milliseconds(isQuick ? 150 : 300)
        heartbeatInterval = .milliseconds(isQuick ? 30 : 60)
        huntsLeader = random.chance(1, in: 2)
        collidesElections = random.chance(1, in: 2)
        measuresTimeout = random.chance(1, in: 3) || focus == .timeouts
        beginsOutdated = random.chance(1, in: 6)
        handsOverOften = focus == .handOvers || random.chance(1, in: 4)
    }

    /// Voters that come and go leave no majority of which a minority may be harmed for good.
    private static func drawTroubles(_ focus: Focus?, _ random: inout SeededRandom) -> [Trouble] {
        var chosen = (focus?.troubles ?? Trouble.allCases).filter { _ in random.chance(focus == nil ? 2 : 3, in: 4) }
        if chosen.contains(.removal) { chosen.removeAll(where: \.isHarm) }
        return chosen.isEmpty ? [.crash] : chosen
    }

    func worldSettings(seed: UInt64) -> WorldSettings {
        var settings = WorldSettings(nodes: nodes, seed: seed)
        settings.electionTimeout = electionTimeout
        settings.heartbeatInterval = heartbeatInterval
        if collidesElections { settings.electionJitter = .milliseconds(4) }
        settings.snapshotAfterEntries = snapshotAfterEntries
        if handsOverOften { settings.transferPause = .milliseconds(200) }
        if measuresTimeout { settings.electionTimeoutPolicy = .measured(.milliseconds(100)...(.seconds(2))) }
        return settings
    }

    private static func drawHabits(_ focus: Focus?, _ random: inout SeededRandom) -> ClientWorkload.Habits {
        func share(_ most: Int) -> Int { random.chance(1, in: 2) ? random.below(most) : 0 }
        var habits = ClientWorkload.Habits()
        habits.retryPerMille = share(1000)
        habits.duplicatePerMille = share(200)
        habits.abandonPerMille = share(200)
        habits.burstPerMille = share(20)
        habits.largePerMille = share(300)
        if focus == .reads { habits.readsBesides = 1 }
        if focus == .elections || focus == .membership { habits.burstPerMille = 40 }
        return habits
    }
}
