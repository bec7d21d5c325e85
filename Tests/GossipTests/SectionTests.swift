import Gossip
import Primitives
import Testing

@Suite("Sections")
struct SectionTests {
    @Test("a published section reaches all of five within 2 s and all of fifty within 3 s", arguments: [5, 50])
    func spread(count: Int) {
        var spans: [Duration] = []
        for seed in 0..<(count == 5 ? 60 : 6) {
            var mesh = TestMesh(count: count, seed: UInt64(seed))
            mesh.checksInvariants = count == 5
            mesh.lossPercent = seed % 2 == 0 ? 0 : 5
            mesh.run(.seconds(10))
            let owner = seed % count
            let start = mesh.now
            mesh.publish(Array("seed \(seed)".utf8), at: owner)
            mesh.run(.seconds(20))
            for observer in 0..<count where observer != owner {
                let event = mesh.events.first {
                    $0.observer == observer && $0.at >= start
                        && $0.effect == .sectionChanged(TestMesh.health, of: TestMesh.id(owner))
                }
                guard let event else {
                    Issue.record("seed \(seed): n\(observer + 1) never received the section")
                    continue
                }
                spans.append(event.at - start)
            }
        }
        print(
            "section known, n=\(count): p50 \(percentile(spans, 50)) p99 \(percentile(spans, 99)) max \(percentile(spans, 100))"
        )
        #expect(percentile(spans, 99) <= .seconds(count == 5 ? 2 : 3))
    }

    @Test("publishing 200 bytes every second costs little more than sending them once to everyone", arguments: [5, 50])
    func traffic(count: Int) {
        var mesh = TestMesh(count: count, seed: 3)
        mesh.checksInvariants = false
        mesh.run(.seconds(10))
        mesh.resetTraffic()
        for round in 0..<20 {
            for number in 0..<count { mesh.publish(Array(repeating: UInt8(round), count: 200), at: number) }
            mesh.run(.seconds(1))
        }
        let rate = mesh.bytesPerSecond(over: .seconds(20))
        let floor = Double((count - 1) * (200 + TestMesh.sealingBytes + 24))
        print(
            "sections of 200 B a second, n=\(count): \(Int(rate)) B/s a node; sent once to everyone: \(Int(floor)) B/s")
        #expect(rate <= floor * 1.5 + 450)
    }

    @Test("the newest version wins and an older one never replaces it, under loss and reordering")
    func newestWins() {
        for seed in 0..<30 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.lossPercent = 20
            mesh.delay = .milliseconds(1)...Duration.milliseconds(400)
            mesh.run(.seconds(5))
            var newest: [UInt64] = Array(repeating: 0, count: 5)
            for round in 0..<60 {
                mesh.publish([UInt8(round)], at: 0)
                mesh.run(.milliseconds(100))
                for observer in 1..<5 {
                    guard let section = mesh.core(observer).section(TestMesh.health, of: TestMesh.id(0)) else {
                        continue
                    }
                    #expect(section.version >= newest[observer], "seed \(seed)")
                    #expect(section.bytes == [UInt8(section.version - 1)])
                    newest[observer] = section.version
                }
            }
            let all = mesh.run(atMost: .seconds(20)) { mesh in
                (1..<5).allSatisfy { mesh.core($0).section(TestMesh.health, of: TestMesh.id(0))?.version == 60 }
            }
            #expect(all != nil, "seed \(seed)")
        }
    }

    @Test("a new boot epoch starts versions anew and still wins")
    func restartedOwner() {
        var mesh = TestMesh(count: 5, seed: 2)
        mesh.run(.seconds(3))
        for round in 0..<5 {
            mesh.publish([UInt8(round)], at: 0)
            mesh.run(.seconds(1))
        }
        mesh.crash(0)
        mesh.run(.seconds(3))
        mesh.restart(0)
        mesh.publish([77], at: 0)
        #expect(mesh.run(atMost: .seconds(2)) { $0.everyoneHolds([77], of: 0) } != nil)
    }

    @Test("an owner restored to an older disk publishes past what others hold")
    func rolledBackOwner() {
        var mesh = TestMesh(count: 5, seed: 2)
        mesh.restart(0, epoch: 50)
        for round in 0..<5 {
            mesh.publish([UInt8(round)], at: 0)
            mesh.run(.seconds(1))
        }
        mesh.crash(0)
        mesh.run(.seconds(3))
        mesh.restart(0, epoch: 2)
        mesh.publish([88], at: 0)
        #expect(mesh.run(atMost: .seconds(4)) { $0.everyoneHolds([88], of: 0) } != nil)
    }

    @Test("a member that joins late receives every section, large ones in several payloads")
    func lateJoiner() {
        var mesh = TestMesh(count: 20, seed: 2)
        mesh.crash(19)
        for number in 0..<19 {
            mesh.publish(Array(repeating: UInt8(number), count: Section.bytesMax), at: number)
        }
        mesh.run(.seconds(20))
        mesh.restart(19)
        let span = mesh.run(atMost: .seconds(10)) { mesh in
            (0..<19).allSatisfy {
                mesh.core(19).section(TestMesh.health, of: TestMesh.id($0))?.bytes.count == Section.bytesMax
            }
        }
        #expect(span != nil)
    }

    @Test("sections published on both sides of a partition are everywhere within 5 s after it")
    func partition() {
        var mesh = TestMesh(count: 5, seed: 3)
        mesh.run(.seconds(5))
        mesh.partition([0, 1], from: [2, 3, 4])
        mesh.run(.seconds(20))
        for number in 0..<5 { mesh.publish([UInt8(100 + number)], at: number) }
        mesh.run(.seconds(20))
        mesh.heal()
        let span = mesh.run(atMost: .seconds(5)) { mesh in
            (0..<5).allSatisfy { mesh.everyoneHolds([UInt8(100 + $0)], of: $0) }
        }
        #expect(span != nil)
    }

    @Test("a newcomer fetches one page after the other without waiting for its next turn")
    func newcomersHurry() {
        var mesh = TestMesh(count: 200, seed: 1)
        mesh.checksInvariants = false
        mesh.crash(199)
        for number in 0..<199 { mesh.publish(Array(repeating: UInt8(number), count: Section.bytesMax), at: number) }
        mesh.run(.seconds(20))
        mesh.restart(199)
        let span = mesh.run(atMost: .seconds(5)) { mesh in
            (0..<199).allSatisfy { mesh.core(199).section(TestMesh.health, of: TestMesh.id($0)) != nil }
        }
        #expect(span != nil)
    }

    @Test("in a mesh too large for owners to tell everyone, others pass on what is signed")
    func passedOn() {
        for seed in 0..<3 {
            var mesh = TestMesh(count: 90, seed: UInt64(seed))
            mesh.checksInvariants = false
            mesh.run(.seconds(20))
            mesh.publish([42], at: 0)
            let span = mesh.run(atMost: .seconds(60)) { $0.everyoneHolds([42], of: 0) }
            #expect(span.map { $0 <= .seconds(2) } == true, "seed \(seed): \(String(describing: span))")
        }
    }

    @Test("an owner that hears its own newest section from others keeps its epoch")
    func ownEcho() {
        var mesh = TestMesh(count: 5, seed: 12)
        mesh.run(.seconds(10))
        mesh.recordsPayloads = true
        let content = Array(repeating: UInt8(251), count: 20)
        mesh.publish(content, at: 0)
        mesh.run(.seconds(2))
        let before = mesh.core(0).incarnation
        let echoes = mesh.payloads.filter { $0.firstRange(of: content) != nil }
        #expect(!echoes.isEmpty)
        for echo in echoes {
            mesh.input(0) { $0.handle(echo, from: TestMesh.id(1), at: TestMesh.endpoint(1), now: $1, into: &$2) }
        }
        #expect(mesh.core(0).incarnation == before)
    }
}
