import Gossip
import Primitives
import Simulator
import Testing

@Suite("Gossip worlds")
struct GossipWorldTests {
    @Test("one seed gives one story, another seed another one")
    func determinism() {
        func hash(_ seed: UInt64) -> UInt64 {
            var world = GossipExperiments.makeMesh(20, seed: seed)
            world.lossPercent = 20
            world.crash(3)
            world.run(.seconds(20))
            return world.traceHash
        }
        #expect(hash(1) == hash(1))
        #expect(hash(1) != hash(2))
    }

    @Test("every step of a troubled mesh of twenty keeps the invariants")
    func invariants() {
        var world = GossipExperiments.makeMesh(20, seed: 5)
        world.checksInvariants = true
        world.lossPercent = 10
        world.plan(.holding, of: 1, at: world.now + .seconds(1))
        world.plan(.running, of: 1, at: world.now + .seconds(9))
        world.plan(.paused, of: 2, at: world.now + .seconds(2))
        world.plan(.running, of: 2, at: world.now + .seconds(8))
        world.crash(4)
        world.run(.seconds(30))
        #expect(world.state(of: 4, at: 0) == .dead)
        #expect(world.agrees)
    }

    @Test(
        "at 128 members with Lifeguard's probe period, half of all observers know of a crash within 3.1 s, all but a thousandth within 6 s"
    )
    func crashesAtTheirScale() throws {
        let figure = GossipExperiments.crashes(members: 128, kills: 10)
        print(figure)
        #expect(try #require(figure["p50_seconds"]) <= 3.1)
        #expect(try #require(figure["p999_seconds"]) <= 6)
        #expect(figure["missed"] == 0)
    }

    @Test("an idle member sends at most 400 bytes a second among 5, 50 and 200", arguments: [5, 50, 200])
    func idle(members: Int) throws {
        #expect(try #require(GossipExperiments.idle(members: members)["bytes_per_second"]) <= 400)
    }

    @Test("state every second costs half more than its content and 400 bytes, and is 2 s old among 5, 3 s among 50")
    func state() throws {
        for (members, ageMax) in [(5, 2.0), (50, 3.0)] {
            let figure = GossipExperiments.stateGossip(members: members, seconds: 60)
            let bar = try #require(figure["bar_bytes_per_second"])
            #expect(try #require(figure["bytes_per_second"]) <= bar, "\(members) members")
            #expect(try #require(figure["p99_age_seconds"]) <= ageMax, "\(members) members")
        }
    }

    @Test("a healed partition of fifty is one mesh within 10 s")
    func healing() throws {
        let figure = GossipExperiments.healing(members: 50, partedFor: .seconds(60), runs: 3)
        #expect(figure["unhealed"] == 0)
        #expect(try #require(figure["max_seconds"]) <= 10)
    }

    @Test("members that hold their messages cost no healthy member its life among healthy ones, and plain SWIM many")
    func lifeguardCells() {
        var grid = LifeguardGrid()
        grid.members = 64
        grid.span = .seconds(60)
        grid.anomalous = [8, 16]
        grid.durations = [.milliseconds(2048), .milliseconds(16384)]
        grid.intervals = [.milliseconds(64), .milliseconds(4096)]
        var sums: [GossipProfile: LifeguardGrid.Outcome] = [:]
        for profile in [GossipProfile.ours, .swim] {
            let mesh = grid.makeMesh(profile)
            for cell in grid.cells { sums[profile, default: LifeguardGrid.Outcome()].add(grid.play(cell, in: mesh)) }
        }
        #expect(sums[.ours]?.amongHealthy == 0)
        #expect((sums[.ours]?.falsePositives ?? .max) * 1000 <= sums[.swim]?.falsePositives ?? 0, "\(sums)")
        #expect((sums[.swim]?.falsePositives ?? 0) > 1000, "the experiment troubles nobody: \(sums)")
    }

    @Test("stopped members cost no healthy one its life")
    func pausing() {
        let figure = PausingMembers().run(hours: 1)
        #expect(figure["among_healthy"] == 0, "\(figure)")
    }

    @Test("flip-flop and lossy links cost no healthy member its life", arguments: LinkTrouble.allCases)
    func links(_ trouble: LinkTrouble) {
        #expect(trouble.run()["among_healthy"] == 0)
    }

    @Test("ordinary probes place fifty members so that half of all estimates are within a tenth of the truth")
    func coordinates() throws {
        let figure = GossipExperiments.coordinates(members: 50)
        #expect(figure["pairs"] == 1225)
        #expect(try #require(figure["p50_error_percent"]) <= 10, "\(figure)")
    }
}
