import Primitives
import Raft
import Simulator
import Testing

/// Each fault is met by a node and counted there; a switch that does nothing would stay silent here.
@Suite("Faults take effect")
struct FaultTests {
    /// A healthy mesh of three with one user, then `story`, in a clear (seed 5) or sealed (seed 16) world.
    private static func faults(seed: UInt64 = 5, after story: String) throws -> FaultCounts {
        let text = """
            nodes 3
            seed \(seed)

            start
            await primary n1
            create-user n1 user=ada
            \(story)
            ----
            """
        var runner = ScenarioRunner(try ScenarioParser.parse(text))
        return try runner.run().faults
    }

    private static let stories: [(FaultClass, String)] = [
        (.partition, "partition n1 | n2 n3"), (.isolation, "isolate n2"), (.oneWayCut, "cut n1 -> n2"),
        (.topology, "topology 12"), (.flap, "flap n1 - n2 every=100ms for=1s"), (.swallowed, "isolate n2; run 1s"),
        (.loss, "link n1 - n2 loss=50%; run 1s"), (.delay, "link n1 - n2 latency=40ms; run 1s"),
        (.duplication, "link n1 - n2 duplicate=50%; run 1s"), (.reordering, "link n1 - n2 reorder=50%; run 1s"),
        (.clog, "clog n1 -> n2 for=1s; run 2s"), (.corruption, "link n1 - n2 corrupt=50%; run 1s"),
        (.truncation, "link n1 - n2 truncate=50%; run 1s"), (.replay, "link n1 - n2 replay=50%; run 1s"),
        (.foreignFrame, "foreign n1 count=20; run 1s"), (.misdelivery, "link n1 - n2 misdeliver=50%; run 1s"),
        (.strangeSource, "link n1 - n2 strange-source=50%; run 1s"),
        (.slowDisk, "disk n1 sync=50ms; put n1 key=a value=b"), (.hungDisk, "disk n2 hung; put n1 key=a value=b"),
        (.fullDisk, "disk n2 full; crash n2; disk n2 full; start n2; fill n1 count=60"),
        (.syncError, "disk n2 failing; put n1 key=a value=b; run 1s"),
        (.syncErrorOnce, "disk n2 failing-once; put n1 key=a value=b; run 1s"),
        (.lostSync, "disk n2 lying; put n1 key=a value=b; run 1s"),
        (.misdirectedWrite, "disk n2 astray; put n1 key=a value=b; run 1s"),
        (.rotRecordBody, "disk n2 rot=record-body"), (.rotRecordHeader, "disk n2 rot=record-header"),
        (.rotIdentity, "disk n2 rot=identity"), (.rotSegmentHeader, "disk n2 rot=segment-header"),
        (.rotSlotA, "disk n2 rot=slot-a"), (.rotSlotB, "disk n2 rot=slot-b"),
        (.readError, "crash n2; disk n2 unreadable=slot-a; start n2"), (.cutTail, "crash n2; disk n2 cut-tail=30"),
        (.wipedDisk, "crash n2; disk n2 wiped"),
        (.rolledBackDisk, "disk n2 copied; put n1 key=a value=b; crash n2; disk n2 restored"),
        (.clockRestart, "power-cut n2"), (.driftFast, "clock n2 drift-ppm=10000"),
        (.driftSlow, "clock n2 drift-ppm=-10000"), (.wallJumpForward, "clock n1 wall=1h"),
        (.wallJumpBack, "clock n1 wall=-1h"), (.pause, "pause n2 for=1s"), (.suspend, "pause n2 for=20s"),
        (.lateTimer, "clock n2 late=50ms; run 2s"), (.crash, "crash n2"),
        (.killInBatch, "crash n2 at-step=2; put n1 key=a value=b; run 1s"),
        (.powerCutInBatch, "power-cut n2 at-step=2; put n1 key=a value=b; run 1s"), (.powerCut, "power-cut n2"),
        (.powerCutAll, "power-cut"), (.restart, "crash n2; start n2"),
        (.slowStart, "crash n2; start n2 after=1s; run 2s"), (.newConfiguration, "crash n2; start n2 heartbeat=30ms"),
    ]

    @Test("each command of a story causes what it says", arguments: stories.indices)
    func command(place: Int) throws {
        let (fault, story) = Self.stories[place]
        let lines = story.split(separator: ";").map { $0.drop { $0 == " " } }.joined(separator: "\n")
        #expect(try Self.faults(after: lines)[fault] > 0, "\(fault): \(story)")
        #expect(try Self.faults(after: "run 1s")[fault] == 0, "\(fault) without its command")
    }

    @Test("damaged, foreign, misdelivered and replayed frames are refused by the seal too", arguments: [5, 16])
    func refusedFrames(seed: UInt64) throws {
        let story = """
            link n1 - n2 corrupt=20% truncate=20% replay=20% misdeliver=20% strange-source=20%
            foreign n3 count=20
            put n1 key=a value=b
            run 5s
            """
        let faults = try Self.faults(seed: seed, after: story)
        for fault in [FaultClass.corruption, .truncation, .replay, .misdelivery, .foreignFrame] {
            #expect(faults[fault] > 0, "\(fault)")
        }
    }

    @Test("a connection that is reset loses what was under way, one that stalls delays it")
    func streams() throws {
        let large = """
            link n1 - n2 latency=30ms
            crash n3
            stall n1 -> n2 for=400ms
            fill n1 count=4 bytes=3000
            run 100ms
            reset n1 - n2
            run 2s
            """
        let faults = try Self.faults(after: large)
        #expect(faults[.streamStall] > 0)
        #expect(faults[.streamReset] > 0)
    }

    @Test("power cuts lose and tear what was not synced, and reorder it where a disk sorts its queue")
    func powerCuts() {
        var counts = FaultCounts()
        for seed in UInt64(1)...40 {
            var disk = SimulatedDisk()
            disk.begin(.write(file: "a", offset: 0, bytes: [UInt8](repeating: 1, count: 4096)))
            disk.finishSync(.sync(file: "a"))
            disk.finishSync(.syncDirectory)
            if seed.isMultiple(of: 2) { disk.setReordering(true) }
            for place in 0..<4 {
                disk.begin(.write(file: "a", offset: place * 1024, bytes: [UInt8](repeating: 2, count: 1024)))
            }
            var random = SeededRandom(seed: seed)
            disk.cutPower(random: &random)
            counts.add(disk.faults)
        }
        for fault in [FaultClass.lostWrite, .tornWrite, .reorderedWrite] { #expect(counts[fault] > 0, "\(fault)") }
    }

    @Test("rot changes one bit of the part that was asked for", arguments: WALLayout.Part.allCases)
    func rot(part: WALLayout.Part) throws {
        let (_, operations) = WriteAheadLog.create(
            cluster: Array(repeating: 7, count: 16), replica: ReplicaID(3), geometry: .small)
        var disk = SimulatedDisk()
        for operation in operations {
            disk.begin(operation)
            disk.finishSync(operation)
        }
        let before = try disk.fileNames().map { try disk.read($0) }
        var random = SeededRandom(seed: 1)
        let hasRecords = part == .identity || part == .recordHeader || part == .recordBody
        #expect(disk.rot(part, .any, random: &random) == !hasRecords, "an empty log has no records")
        let after = try disk.fileNames().map { try disk.read($0) }
        let changed = zip(before, after).map { zip($0, $1).map { ($0 ^ $1).nonzeroBitCount }.reduce(0, +) }
        #expect(changed.reduce(0, +) == (hasRecords ? 0 : 1))
    }
}
