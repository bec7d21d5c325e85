import Primitives
import Raft
import Simulator
import Testing

@Suite("Simulated disks")
struct SimulatedDiskTests {
    private static let seeds: ClosedRange<UInt64> = 1...300

    private static func makeDisk(_ content: [UInt8]) -> SimulatedDisk {
        var disk = SimulatedDisk()
        disk.begin(.write(file: "a", offset: 0, bytes: content))
        disk.finishSync(.sync(file: "a"))
        disk.finishSync(.syncDirectory)
        return disk
    }

    @Test("what was synced survives every power cut")
    func durable() throws {
        for seed in Self.seeds {
            var disk = Self.makeDisk([1, 2, 3])
            var random = SeededRandom(seed: seed)
            disk.cutPower(random: &random)
            #expect(try disk.read("a") == [1, 2, 3])
        }
    }

    /// Three changes that were not synced: afterwards the file shows a prefix of them, and every prefix occurs.
    @Test("a power cut keeps a prefix of what was not synced, and undoes the rest exactly")
    func prefixes() throws {
        let states: [[UInt8]] = [[1, 2, 3, 4], [9, 2, 3, 4], [9, 2], [9, 2, 0, 7]]
        var seen: Set<[UInt8]> = []
        for seed in Self.seeds {
            var disk = Self.makeDisk(states[0])
            disk.begin(.write(file: "a", offset: 0, bytes: [9]))
            disk.begin(.truncate(file: "a", length: 2))
            disk.begin(.write(file: "a", offset: 3, bytes: [7]))
            #expect(try disk.read("a") == states[3], "reads see everything at once")
            var random = SeededRandom(seed: seed)
            disk.cutPower(random: &random)
            let left = try disk.read("a")
            // A torn last write of less than a sector may only have made the file longer.
            #expect(states.contains(left) || left == [9, 2, 0], "\(left)")
            seen.insert(left)
        }
        #expect(seen.isSuperset(of: states))
    }

    @Test("a torn write ends at a sector boundary")
    func torn() throws {
        var lengths: Set<Int> = []
        for seed in Self.seeds {
            var disk = Self.makeDisk(Array(repeating: 1, count: 100))
            disk.begin(.write(file: "a", offset: 100, bytes: Array(repeating: 2, count: 2000)))
            var random = SeededRandom(seed: seed)
            disk.cutPower(random: &random)
            lengths.insert(try disk.read("a").count)
        }
        #expect(lengths == [100, 512, 1024, 1536, 2048, 2100])
    }

    @Test("the end of a process loses nothing that was written")
    func killed() throws {
        var disk = Self.makeDisk([1])
        disk.begin(.write(file: "a", offset: 1, bytes: [2]))
        disk.begin(.write(file: "b", offset: 0, bytes: [3]))
        disk.killProcess()
        #expect(try disk.read("a") == [1, 2])
        #expect(try disk.fileNames() == ["a", "b"])
    }

    @Test("a name that was not synced may vanish, one that was may not")
    func names() throws {
        var counts: Set<Int> = []
        for seed in Self.seeds {
            var disk = Self.makeDisk([1])
            disk.begin(.write(file: "b", offset: 0, bytes: [2]))
            disk.finishSync(.sync(file: "b"))
            var random = SeededRandom(seed: seed)
            disk.cutPower(random: &random)
            counts.insert(try disk.fileNames().count)
        }
        #expect(counts == [1, 2])
    }
}

@Suite("Simulated clocks")
struct SimulatedClockTests {
    @Test(
        "the moment found for a reading is the first that shows it",
        arguments: [-500_000, -30_000, -1, 0, 1, 30_000, 500_000])
    func inverse(ppm: Int64) {
        var random = SeededRandom(seed: 3)
        var clock = SimulatedClock(offset: .seconds(1234))
        clock.setDrift(ppm: ppm, at: Instant(nanoseconds: 5_000_000_123))
        for _ in 0..<2000 {
            let moment = Instant(nanoseconds: Int64(random.below(1_000_000_000_000)))
            let reading = clock.local(moment)
            let found = clock.world(reading)
            #expect(clock.local(found) >= reading)
            #expect(found <= moment)
            #expect(clock.local(Instant(nanoseconds: found.nanoseconds - 1)) < reading)
        }
    }

    @Test("a change of rate makes no jump")
    func continuity() {
        var clock = SimulatedClock(offset: .seconds(10))
        let moment = Instant(nanoseconds: 77_000_000_001)
        let before = clock.local(moment)
        clock.setDrift(ppm: 100_000, at: moment)
        #expect(clock.local(moment) == before)
        #expect(clock.local(moment + .seconds(10)) - before == .seconds(11))
    }
}

@Suite("Simulated networks")
struct SimulatedNetworkTests {
    private static func fates(_ shape: (inout SimulatedNetwork.Link) -> Void) -> [SimulatedNetwork.Fate] {
        var network = SimulatedNetwork(nodes: 2)
        shape(&network[0, 1])
        var random = SeededRandom(seed: 1)
        return (0..<2000).map { _ in network.fate(from: 0, to: 1, random: &random) }
    }

    @Test("a cut link delivers nothing, a whole one everything once and within its latency")
    func cut() {
        #expect(Self.fates { $0.isCut = true }.allSatisfy { $0 == .lost })
        for fate in Self.fates({ $0.latency = .milliseconds(3)...(.milliseconds(9)) }) {
            guard case .delivered(let delay, again: nil) = fate else {
                Issue.record("\(fate)")
                return
            }
            #expect((.milliseconds(3)...(.milliseconds(9))).contains(delay))
        }
    }

    @Test("loss and duplication happen as often as asked")
    func shares() {
        let lost = Self.fates { $0.lossPerMille = 250 }.count { $0 == .lost }
        #expect((400...600).contains(lost))
        let twice = Self.fates { $0.duplicatePerMille = 250 }.count {
            if case .delivered(_, again: .some) = $0 { true } else { false }
        }
        #expect((400...600).contains(twice))
    }

    @Test("a partition cuts between groups only, and healing mends it")
    func partition() {
        var network = SimulatedNetwork(nodes: 4)
        network.partition([[0, 1], [2]])
        #expect(!network[0, 1].isCut && !network[1, 0].isCut)
        #expect(network[0, 2].isCut && network[2, 0].isCut && network[3, 0].isCut && network[2, 3].isCut)
        network.heal()
        #expect(!network[0, 2].isCut && !network[3, 0].isCut)
    }

    @Test("a stream loses nothing on a lossy link short of breaking, and breaks where either direction is cut")
    func streams() {
        var network = SimulatedNetwork(nodes: 2)
        network[0, 1].lossPerMille = 100
        var random = SeededRandom(seed: 1)
        let delivered = (0..<1000).count { _ in network.streamDelay(from: 0, to: 1, random: &random) != nil }
        #expect(delivered > 990)
        network.cut(1, 0)
        #expect(network.streamDelay(from: 0, to: 1, random: &random) == nil)
    }
}
