import Gossip
import Primitives
import Testing

@Suite("One key, two processes")
struct FenceTests {
    @Test("of two running copies of one key exactly one goes silent within 20 s, and the mesh keeps the other")
    func clone() {
        for seed in 0..<30 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(5))
            let copy = mesh.startCopy(of: 2)
            let span = mesh.run(atMost: .seconds(20)) { $0.core(2).isFenced || $0.core(copy).isFenced }
            #expect(span != nil, "seed \(seed)")
            mesh.run(.seconds(20))
            #expect(mesh.core(2).isFenced != mesh.core(copy).isFenced, "seed \(seed)")
            let (fenced, kept) = mesh.core(2).isFenced ? (2, copy) : (copy, 2)
            #expect(mesh.events.filter { $0.effect == .fenced }.map(\.observer) == [fenced], "seed \(seed)")
            for observer in [0, 1, 3, 4] {
                let member = mesh.core(observer).member(TestMesh.id(2))
                #expect(member?.state == .alive, "seed \(seed)")
                #expect(member?.endpoint == TestMesh.endpoint(kept), "seed \(seed)")
                #expect(member?.incarnation == mesh.core(kept).incarnation, "seed \(seed)")
            }
        }
    }

    @Test("a disk restored to an older state fences nobody, however often it is restored")
    func rollback() {
        for seed in 0..<20 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(5))
            for epoch in [40, 9, 9, 30, 3] as [UInt64] {
                mesh.crash(2)
                mesh.run(.milliseconds(seed * 171))
                mesh.restart(2, epoch: epoch)
                #expect(mesh.run(atMost: .seconds(5)) { $0.everyoneAlive } != nil, "seed \(seed), epoch \(epoch)")
            }
            mesh.run(.seconds(10))
            #expect(mesh.nodes.allSatisfy { !$0.core.isFenced }, "seed \(seed)")
            #expect(mesh.everyoneAlive)
        }
    }

    @Test("a disk restored within one boot epoch is told from its earlier life, and what it publishes is heard")
    func sameEpoch() {
        for seed in 0..<20 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(5))
            mesh.restart(2, epoch: 7)
            mesh.input(2) { core, now, _ in core.publish(SectionID(value: 2), bytes: [1], now: now) }
            mesh.run(.seconds(5))
            mesh.crash(2)
            mesh.run(.seconds(2))
            mesh.restart(2, epoch: 7)
            mesh.input(2) { core, now, _ in core.publish(SectionID(value: 2), bytes: [2], now: now) }
            let span = mesh.run(atMost: .seconds(5)) { mesh in
                mesh.everyoneAlive
                    && [0, 1, 3, 4].allSatisfy {
                        mesh.core($0).section(SectionID(value: 2), of: TestMesh.id(2))?.bytes == [2]
                    }
            }
            #expect(span != nil, "seed \(seed)")
        }
    }

    @Test("a fenced process answers nothing and wants nothing")
    func silence() {
        var mesh = TestMesh(count: 3, seed: 3)
        mesh.run(.seconds(3))
        let copy = mesh.startCopy(of: 1)
        mesh.run(.seconds(30))
        var core = mesh.core(1).isFenced ? mesh.core(1) : mesh.core(copy)
        var effects: [GossipEffect] = []
        core.handle(
            Message.ping(sequence: 1, news: []).encoded(), from: TestMesh.id(0), at: TestMesh.endpoint(0),
            now: mesh.now,
            into: &effects)
        core.publish(SectionID(value: 1), bytes: [1], now: mesh.now)
        core.tick(now: mesh.now + .seconds(100), into: &effects)
        core.leave(now: mesh.now + .seconds(100), into: &effects)
        #expect(core.isFenced && effects.isEmpty && core.nextDeadline == .distantFuture)
    }
}

@Suite("Without datagrams")
struct StreamFallbackTests {
    @Test("a member whose datagrams are all lost stays alive over streams, and returns to datagrams when they pass")
    func blocked() {
        for seed in 0..<20 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(5))
            mesh.forgetEvents()
            mesh.blocked = [3]
            mesh.run(.seconds(60))
            for subject in 0..<5 {
                #expect(mesh.changes(of: subject, to: .dead, at: Array(0..<5)).isEmpty, "seed \(seed): n\(subject + 1)")
            }
            #expect(mesh.everyoneAlive, "seed \(seed)")
            mesh.input(3) { core, now, _ in core.publish(SectionID(value: 1), bytes: [7], now: now) }
            let span = mesh.run(atMost: .seconds(3)) { mesh in
                [0, 1, 2, 4].allSatisfy { mesh.core($0).section(SectionID(value: 1), of: TestMesh.id(3))?.bytes == [7] }
            }
            #expect(span != nil, "seed \(seed)")
            mesh.blocked = []
            mesh.run(.seconds(5))
            let before = mesh.core(3).counters.streamProbes
            mesh.run(.seconds(30))
            #expect(mesh.core(3).counters.streamProbes == before, "seed \(seed)")
        }
    }

    @Test("a crash is found as soon where everyone would fall back to streams")
    func crash() {
        var mesh = TestMesh(count: 5, seed: 2)
        mesh.run(.seconds(5))
        mesh.crash(1)
        #expect(mesh.run(atMost: .seconds(1)) { $0.everyone([0, 2, 3, 4], holds: 1, .dead) } != nil)
    }
}

@Suite("Coming back")
struct ReturnTests {
    @Test("who heard nobody for long, and hears again, buries nobody by the time it missed", arguments: [5, 12, 40])
    func deafness(count: Int) {
        for seed in 0..<10 {
            var mesh = TestMesh(count: count, seed: UInt64(seed))
            mesh.checksInvariants = count < 20
            // Far apart: the first to be heard again comes long before the others' contradictions.
            mesh.delay = .milliseconds(20)...Duration.milliseconds(90)
            mesh.run(.seconds(15))
            mesh.forgetEvents()
            // Deaf for 10 s: what it sends arrives, so nobody doubts it for long.
            for other in 1..<count { mesh.cut(from: other, to: 0) }
            mesh.run(.seconds(10))
            // A frame of one of them is the first to come through. What was missed of the others proves nothing still: they
            // have all their time from now on.
            mesh.input(0) { core, now, _ in core.noteHeard(TestMesh.id(1), now: now) }
            mesh.run(.milliseconds(500))
            for subject in 2..<count {
                #expect(mesh.changes(of: subject, to: .dead, at: [0]).isEmpty, "seed \(seed): n\(subject + 1), early")
            }
            mesh.heal()
            mesh.run(.seconds(20))
            for subject in 1..<count {
                #expect(mesh.changes(of: subject, to: .dead, at: [0]).isEmpty, "seed \(seed): n\(subject + 1)")
            }
            #expect(mesh.run(atMost: .seconds(20)) { $0.everyoneAlive } != nil, "seed \(seed)")
        }
    }
}
