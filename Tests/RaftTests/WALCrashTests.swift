import Primitives
import Raft
import Testing

@Suite("Write-ahead log: crashes")
struct WALCrashTests {
    /// What the log held after each record of a plan: a crash may leave any of these states and no other.
    struct History {
        var hardStates = [HardState()]
        var logs: [[Entry]] = [[]]
        /// The place in both that is acknowledged.
        var durableHardState = 0
        var durableLog = 0

        mutating func note(_ write: DurableWrite) {
            if let hardState = write.hardState { hardStates.append(hardState) }
            var log = logs[logs.count - 1]
            if let kept = write.truncateAfter {
                log.removeLast(log.count - Int(kept.value))
                logs.append(log)
            }
            for entry in write.entries {
                log.append(entry)
                logs.append(log)
            }
        }

        mutating func acknowledge() {
            durableHardState = hardStates.count - 1
            durableLog = logs.count - 1
        }

        /// Nil if what recovery found is allowed.
        func complaint(about found: WALRecovery) -> String? {
            if case .newReplica(let reason) = found.verdict { return "lost everything: \(reason)" }
            if case .faulty(let doubt) = found.verdict { return "a crash looks like rot: \(doubt)" }
            guard hardStates[durableHardState...].contains(found.hardState) else {
                return "hard state \(found.hardState), acknowledged \(hardStates[durableHardState])"
            }
            guard logs[durableLog...].contains(found.entries) else {
                return "\(found.entries.count) entries, acknowledged \(logs[durableLog].count)"
            }
            return nil
        }

        /// The replica goes on from what was found, which its repairs have made durable.
        mutating func restart(from found: WALRecovery) {
            hardStates = [found.hardState]
            logs = [found.entries]
            acknowledge()
        }
    }

    /// As consensus writes: only a later term drops entries of an earlier one.
    static func randomWrite(
        _ bench: inout WALBench, _ last: [Entry], _ hardState: HardState, _ random: inout SeededRandom
    ) -> DurableWrite {
        var hardState = hardState
        var changed = false
        if random.chance(1, in: 4) || hardState.term == .zero {
            hardState = HardState(
                term: hardState.term.next, votedFor: random.chance(1, in: 2) ? ReplicaID(random.next()) : nil)
            changed = true
        }
        var end = UInt64(last.count)
        var truncated: UInt64?
        if end > 0, changed, random.chance(1, in: 2) {
            end = UInt64(random.below(Int(end) + 1))
            truncated = end
        }
        let sizes = [0, 1, 8, 100, 700, 3000]
        let entries = (0..<random.below(5)).map { offset in
            WALBench.entry(
                end + 1 + UInt64(offset), term: hardState.term.value, bytes: sizes[random.below(sizes.count)])
        }
        return bench.write(hardState: changed ? hardState : nil, truncateAfter: truncated, entries)
    }

    static let tiny = WALGeometry(segmentBytes: (1 << 20) + 8192, recordMax: 6, growthBytes: 512)

    /// Writes and crashes until the seed's story ends; returns the first broken promise.
    static func story(seed: UInt64, verdicts: inout [String: Int]) throws -> String? {
        var random = SeededRandom(seed: seed)
        var bench = WALBench(geometry: tiny)
        var history = History()
        for _ in 0..<6 {
            for _ in 0..<random.below(5) {
                let isLast = try write(&bench, &history, &random)
                if isLast { break }
            }
            bench.disk.cutPower(&random)
            var found = try bench.recover()
            if let complaint = history.complaint(about: found) { return complaint }
            verdicts["\(found.verdict)".prefix { $0 != "(" }.description, default: 0] += 1
            // The repairs may be cut off too; what is found then must be no worse.
            while random.chance(1, in: 3) {
                bench.disk.execute(found.repairs.prefix(random.below(found.repairs.count + 1)))
                bench.disk.cutPower(&random)
                let again = try bench.recover()
                if let complaint = history.complaint(about: again) { return "after half a repair: \(complaint)" }
                if found.doubt != nil, again.doubt == nil { return "half a repair forgot the doubt" }
                found = again
            }
            bench.disk.execute(found.repairs)
            var repaired = bench.disk
            repaired.cutPower(&random)
            let again = try WALBench.recover(repaired, tiny)
            guard again.entries == found.entries, again.hardState == found.hardState, again.doubt == found.doubt else {
                return "repairs do not last"
            }
            if found.doubt == nil, again.verdict != .clean { return "repairs leave \(again.verdict)" }
            bench.log = found.log
            bench.sequence = 0
            bench.log.checkInvariants()
            history.restart(from: found)
        }
        return nil
    }

    /// One group of writes, run to its end or to a random operation. True if it was cut off.
    private static func write(
        _ bench: inout WALBench, _ history: inout History, _ random: inout SeededRandom
    ) throws -> Bool {
        var writes: [DurableWrite] = []
        for _ in 0...random.below(3) {
            let write = randomWrite(
                &bench, history.logs[history.logs.count - 1], history.hardStates[history.hardStates.count - 1], &random)
            history.note(write)
            writes.append(write)
        }
        let plan = bench.log.plan(writes)
        bench.log.checkInvariants()
        if random.chance(1, in: 3) {
            bench.disk.execute(plan.prefix(random.below(plan.count + 1)))
            return true
        }
        bench.disk.execute(plan)
        history.acknowledge()
        return false
    }

    @Test("after any crash the log is a prefix of what was planned, and nothing acknowledged is missing")
    func randomCrashes() throws {
        var verdicts: [String: Int] = [:]
        for seed in 1...UInt64(3000) {
            if let complaint = try Self.story(seed: seed, verdicts: &verdicts) {
                Issue.record("seed \(seed): \(complaint)")
                return
            }
        }
        // The stories are worth something only if they reach the rows of the table that a crash can reach.
        for verdict in ["clean", "torn", "doubtful"] { #expect(verdicts[verdict, default: 0] > 100, "\(verdicts)") }
    }

    @Test("a crash at any operation of a plan with a conflict and a rotation leaves one of the planned states")
    func everyBoundary() throws {
        var bench = WALBench(geometry: Self.tiny)
        var history = History()
        let steps = [
            bench.write(hardState: HardState(term: Term(1)), (1...4).map { WALBench.entry($0, term: 1) }),
            bench.write(
                hardState: HardState(term: Term(2)), truncateAfter: 2, (3...9).map { WALBench.entry($0, term: 2) }),
            bench.write(truncateAfter: 5, []),
            bench.write(hardState: HardState(term: Term(4)), truncateAfter: 1, [WALBench.entry(2, term: 4)]),
        ]
        for step in steps {
            history.note(step)
            let plan = bench.log.plan([step])
            for count in 0...plan.count {
                for seed in 0..<UInt64(40) {
                    var random = SeededRandom(seed: seed)
                    var disk = bench.disk
                    disk.execute(plan.prefix(count))
                    disk.cutPower(&random)
                    let complaint = history.complaint(about: try WALBench.recover(disk, Self.tiny))
                    #expect(complaint == nil, "write \(step.sequence), \(count) operations, seed \(seed)")
                }
            }
            bench.disk.execute(plan)
            history.acknowledge()
        }
    }

    @Test("a creation that is cut off is recognised, or can be completed")
    func creation() throws {
        let (_, plan) = WriteAheadLog.create(cluster: WALBench.cluster, replica: WALBench.replica, geometry: Self.tiny)
        for count in 0...plan.count {
            for seed in 0..<UInt64(50) {
                var random = SeededRandom(seed: seed)
                var disk = WALTestDisk()
                disk.execute(plan.prefix(count))
                disk.cutPower(&random)
                let found = try WALBench.recover(disk, Self.tiny)
                #expect(found.entries.isEmpty && found.hardState == HardState())
                switch found.verdict {
                case .clean: break
                case .newReplica: #expect(count < plan.count, "the finished creation is not recognised")
                case .torn, .doubtful, .faulty: Issue.record("\(found.verdict) after \(count) operations")
                }
            }
        }
    }

    @Test("what a killed process left unsynced is synced before it is relied on")
    func killedProcess() throws {
        var bench = WALBench()
        let plan = bench.log.plan([
            bench.write(hardState: HardState(term: Term(1)), [WALBench.entry(1, term: 1)])
        ])
        bench.disk.execute(plan.dropLast())
        let found = try bench.recover()
        #expect(found.verdict == .clean && found.entries.count == 1)
        bench.disk.execute(found.repairs)
        for seed in 0..<UInt64(50) {
            var random = SeededRandom(seed: seed)
            var disk = bench.disk
            disk.cutPower(&random)
            #expect(try WALBench.recover(disk).entries.count == 1)
        }
    }
}
