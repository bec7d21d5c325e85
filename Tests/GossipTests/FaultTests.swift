import Gossip
import Primitives
import Testing

@Suite("Faults")
struct FaultTests {
    static let everyone = [0, 1, 2, 3, 4]

    @Test("a refuted suspicion returns the member to alive, under a newer incarnation")
    func refutation() {
        for seed in 0..<30 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(5))
            let before = mesh.core(0).incarnation
            mesh.input(1) { core, now, effects in
                core.handle(
                    accusation(of: 0, incarnation: before), from: TestMesh.id(2), at: TestMesh.endpoint(2), now: now,
                    into: &effects)
            }
            #expect(mesh.state(of: 0, at: 1) == .suspect)
            let span = mesh.run(atMost: .milliseconds(100)) { mesh in
                Self.everyone.allSatisfy { mesh.core($0).member(TestMesh.id(0))?.incarnation == before.advanced }
                    && mesh.everyoneAlive
            }
            #expect(span != nil, "seed \(seed)")
            #expect(mesh.core(0).counters.refutations == 1)
            #expect(mesh.changes(of: 0, to: .dead, at: Self.everyone).isEmpty)
        }
    }

    @Test("repeating an accusation confirms nothing: only distinct accusers by their own word shorten the countdown")
    func echoes() {
        var mesh = TestMesh(count: 5, seed: 1)
        mesh.run(.seconds(5))
        var core = mesh.core(1)
        var effects: [GossipEffect] = []
        let claim = accusation(of: 0, incarnation: mesh.core(0).incarnation)
        let hearsay = accusation(of: 0, incarnation: mesh.core(0).incarnation, isPersonal: false)
        let start = mesh.now
        func hear(_ payload: [UInt8], from number: Int) {
            core.handle(payload, from: TestMesh.id(number), at: TestMesh.endpoint(number), now: start, into: &effects)
        }
        /// When a lone node, hearing nothing more about the suspect, gives its verdict.
        func verdictSpan() -> Duration {
            var copy = core
            var span = Duration.zero
            while copy.member(TestMesh.id(0))?.state == .suspect, span < .seconds(10) {
                span += .milliseconds(10)
                for number in 2..<5 {
                    copy.handle(
                        [6], from: TestMesh.id(number), at: TestMesh.endpoint(number), now: start + span, into: &effects
                    )
                }
                copy.tick(now: start + span, into: &effects)
            }
            return span
        }
        hear(claim, from: 2)
        let lone = verdictSpan()
        for _ in 0..<5 { hear(claim, from: 2) }
        #expect(verdictSpan() == lone)
        hear(hearsay, from: 3)
        hear(hearsay, from: 4)
        #expect(verdictSpan() == lone)
        hear(claim, from: 3)
        hear(claim, from: 4)
        #expect(verdictSpan() < lone)
    }

    @Test("one paused member never makes healthy ones bury each other", arguments: [100, 400, 1000, 5000, 20000])
    func pausedMember(milliseconds: Int) {
        for seed in 0..<20 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(5))
            mesh.forgetEvents()
            for _ in 0..<3 {
                mesh.pause(4)
                mesh.run(.milliseconds(milliseconds))
                mesh.resume(4)
                mesh.run(.seconds(3))
            }
            for subject in 0..<4 {
                #expect(
                    mesh.changes(of: subject, to: .dead, at: Self.everyone).isEmpty, "seed \(seed): n\(subject + 1)")
            }
            #expect(mesh.everyoneAlive, "seed \(seed)")
        }
    }

    @Test("a member that was stopped notices it and doubts nobody, even if its socket lost everything meanwhile")
    func ownPause() {
        for seed in 0..<20 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(5) + .milliseconds(seed * 37))
            mesh.forgetEvents()
            mesh.pause(4)
            mesh.run(.seconds(2))
            mesh.resume(4, losingInbox: true)
            mesh.run(.seconds(3))
            #expect(mesh.core(4).counters.pauses == 1, "seed \(seed)")
            for subject in 0..<4 {
                #expect(mesh.changes(of: subject, to: .suspect, at: [4]).isEmpty, "seed \(seed): n\(subject + 1)")
            }
        }
    }

    @Test("a member cut off from everyone is isolated, declares nobody dead, and comes back within 5 s")
    func isolation() {
        for seed in 0..<30 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(5) + .milliseconds(seed * 13))
            mesh.forgetEvents()
            mesh.partition([0], from: [1, 2, 3, 4])
            mesh.run(.seconds(30))
            #expect(mesh.core(0).isIsolated)
            for number in 1..<5 {
                #expect(!mesh.core(number).isIsolated)
                #expect(mesh.state(of: number, at: 0) == .suspect)
                #expect(mesh.changes(of: number, to: .dead, at: Self.everyone).isEmpty)
            }
            #expect(mesh.everyone([1, 2, 3, 4], holds: 0, .dead))
            mesh.heal()
            #expect(mesh.run(atMost: .seconds(5)) { $0.everyoneAlive } != nil, "seed \(seed)")
            #expect(!mesh.core(0).isIsolated)
        }
    }

    @Test("of two members, the unreachable one is suspect and never dead")
    func twoMembers() {
        var mesh = TestMesh(count: 2, seed: 1)
        mesh.run(.seconds(5))
        #expect(mesh.everyoneAlive)
        mesh.crash(1)
        mesh.run(.seconds(60))
        #expect(mesh.state(of: 1, at: 0) == .suspect)
        #expect(mesh.core(0).isIsolated)
        mesh.restart(1)
        #expect(mesh.run(atMost: .seconds(2)) { $0.everyoneAlive } != nil)
    }

    @Test("a mesh of one is not isolated")
    func single() {
        var mesh = TestMesh(count: 1, seed: 1)
        mesh.run(.seconds(60))
        #expect(!mesh.core(0).isIsolated)
    }

    @Test("a member that hears nobody from the start says so")
    func lonelyStart() {
        var mesh = TestMesh(count: 3, seed: 1)
        mesh.crash(1)
        mesh.crash(2)
        mesh.run(.seconds(10))
        #expect(mesh.core(0).isIsolated)
        #expect(mesh.core(0).members.count == 1)
    }

    @Test("partitions of minutes and of 25 hours heal within 5 s without an operator")
    func longPartition() {
        var spans: [Duration] = []
        for seed in 0..<40 {
            let length: Duration = seed == 0 ? .seconds(25 * 3600) : .seconds(60)
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.checksInvariants = length < .seconds(1000)
            mesh.run(.seconds(5) + .milliseconds(seed * 31))
            mesh.partition([0, 1], from: [2, 3, 4])
            mesh.run(length)
            #expect(mesh.everyone([0, 1], holds: 3, .dead) && mesh.everyone([2, 3, 4], holds: 0, .dead))
            #expect(mesh.everyone([0, 1], holds: 1, .alive) && mesh.everyone([2, 3, 4], holds: 3, .alive))
            mesh.forgetEvents()
            mesh.heal()
            guard let span = mesh.run(atMost: .seconds(30), until: { $0.everyoneAlive }) else {
                Issue.record("seed \(seed): not healed")
                continue
            }
            spans.append(span)
        }
        print("heal, n=5: p50 \(percentile(spans, 50)) max \(percentile(spans, 100))")
        #expect(percentile(spans, 100) <= .seconds(5))
    }

    @Test("at 50% loss no member of ten is lost in 30 s")
    func heavyLoss() {
        for seed in 0..<40 {
            var mesh = TestMesh(count: 10, seed: UInt64(seed))
            mesh.run(.seconds(5))
            mesh.forgetEvents()
            mesh.lossPercent = 50
            mesh.run(.seconds(30))
            for subject in 0..<10 {
                #expect(
                    mesh.changes(of: subject, to: .dead, at: Array(0..<10)).isEmpty, "seed \(seed): n\(subject + 1)")
            }
        }
    }

    @Test("a goodbye is known to all within 50 ms and is not taken for a failure")
    func leaving() {
        var spans: [Duration] = []
        for seed in 0..<50 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(5) + .milliseconds(seed * 29))
            mesh.forgetEvents()
            mesh.input(3) { core, now, effects in core.leave(now: now, into: &effects) }
            guard let span = mesh.run(atMost: .seconds(5), until: { $0.everyone(Self.everyone, holds: 3, .left) })
            else {
                Issue.record("seed \(seed): somebody never learnt of the goodbye")
                continue
            }
            spans.append(span)
            mesh.run(.seconds(10))
            #expect(mesh.changes(of: 3, to: .dead, at: Self.everyone).isEmpty)
            #expect(mesh.changes(of: 3, to: .suspect, at: Self.everyone).isEmpty)
            #expect(mesh.everyone([0, 1, 2, 4], holds: 3, .left))
            mesh.restart(3)
            #expect(mesh.run(atMost: .seconds(1)) { $0.everyoneAlive } != nil)
        }
        print("leave known, n=5: p99 \(percentile(spans, 99))")
        #expect(percentile(spans, 99) <= .milliseconds(50))
    }

    @Test("a restarted member with a higher boot epoch replaces its tombstone within a second")
    func restart() {
        for seed in 0..<30 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(5))
            mesh.crash(2)
            mesh.run(.seconds(3))
            #expect(mesh.everyone([0, 1, 3, 4], holds: 2, .dead))
            mesh.restart(2)
            #expect(mesh.run(atMost: .seconds(1)) { $0.everyoneAlive } != nil, "seed \(seed)")
        }
    }

    @Test("a boot epoch rolled back with its disk takes the higher one that others hold, plus one")
    func rolledBack() {
        var mesh = TestMesh(count: 5, seed: 4)
        mesh.run(.seconds(5))
        mesh.restart(2, epoch: 40)
        mesh.run(.seconds(5))
        #expect(mesh.core(0).member(TestMesh.id(2))?.incarnation.bootEpoch == 40)
        mesh.crash(2)
        mesh.run(.seconds(3))
        mesh.restart(2, epoch: 7)
        #expect(mesh.run(atMost: .seconds(2)) { $0.everyoneAlive } != nil)
        #expect(mesh.core(2).incarnation.bootEpoch == 41)
    }

    @Test("all five restart at once with stale boot epochs and still find each other")
    func massRestart() {
        var mesh = TestMesh(count: 5, seed: 8)
        mesh.run(.seconds(5))
        for number in 0..<5 { mesh.crash(number) }
        mesh.run(.seconds(1))
        for number in 0..<5 { mesh.restart(number, epoch: UInt64(1 + number % 2)) }
        #expect(mesh.run(atMost: .seconds(2)) { $0.everyoneAlive } != nil)
    }

    @Test("the same member at a new address is found by all within a second")
    func newAddress() {
        var mesh = TestMesh(count: 5, seed: 6)
        mesh.run(.seconds(5))
        mesh.crash(1)
        let address = Endpoint(ipv4: 192, 168, 7, 9, port: 7000)
        mesh.restart(1, endpoint: address)
        let span = mesh.run(atMost: .seconds(1)) { mesh in
            Self.everyone.allSatisfy { mesh.core($0).member(TestMesh.id(1))?.endpoint == address } && mesh.everyoneAlive
        }
        #expect(span != nil)
    }

    @Test("a member that knows one seed only comes to know all")
    func joinThroughOneSeed() {
        var mesh = TestMesh(count: 20, seed: 6, seedCount: 1)
        #expect(mesh.run(atMost: .seconds(10)) { $0.everyoneAlive } != nil)
    }

    @Test("one link cut, in one or both directions, buries nobody", arguments: [false, true])
    func oneLink(isOneWay: Bool) {
        for seed in 0..<20 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(5))
            mesh.forgetEvents()
            mesh.cut(from: 0, to: 1)
            if !isOneWay { mesh.cut(from: 1, to: 0) }
            mesh.run(.seconds(60))
            for subject in 0..<5 {
                #expect(
                    mesh.changes(of: subject, to: .dead, at: Self.everyone).isEmpty, "seed \(seed): n\(subject + 1)")
            }
        }
    }

    /// A gossip payload with one accusation.
    private func accusation(of number: Int, incarnation: Incarnation, isPersonal: Bool = true) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(UInt8(6))
        writer.write(UInt8(1))
        writer.write(TestMesh.id(number))
        writer.write(UInt8(isPersonal ? 0b101 : 0b001))
        writer.writeVarint(incarnation.bootEpoch)
        writer.write(incarnation.nonce)
        writer.writeVarint(UInt64(incarnation.counter))
        return writer.bytes
    }
}

extension Incarnation {
    var advanced: Incarnation { Incarnation(bootEpoch: bootEpoch, nonce: nonce, counter: counter + 1) }
}
