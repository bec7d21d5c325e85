import Gossip
import Primitives
import Testing

@Suite("Sections that never stand still")
struct TellingTests {
    @Test(
        "what changes after a quiet time is known at once, three times in a row; then at a pace, and always the newest")
    func pace() {
        var mesh = TestMesh(count: 20, seed: 4)
        mesh.run(.seconds(10))
        mesh.publish([0], at: 0)
        mesh.run(.seconds(1))
        for round in 1...3 {
            mesh.publish([UInt8(round)], at: 0)
            mesh.run(.milliseconds(250))
            #expect(mesh.everyoneHolds([UInt8(round)], of: 0), "round \(round)")
        }
        mesh.recordsPayloads = true
        let sent = mesh.payloads.count
        for round in 4...20 {
            mesh.publish([UInt8(round)], at: 0)
            mesh.run(.milliseconds(10))
        }
        #expect(!mesh.everyoneHolds([20], of: 0))
        #expect(mesh.run(atMost: .seconds(3)) { $0.everyoneHolds([20], of: 0) } != nil)
        let tellings = mesh.payloads[sent...].count { $0.starts(with: [6, 4]) }
        #expect(tellings == 19, "\(tellings) datagrams for 17 changes")
    }

    /// Five that know each other; the first two hear nothing of each other directly.
    private var parted: TestMesh {
        var mesh = TestMesh(count: 5, seed: 6)
        mesh.run(.seconds(10))
        mesh.cut(from: 0, to: 1)
        mesh.cut(from: 1, to: 0)
        return mesh
    }

    @Test("a section that stands still is signed, and others pass it on to whom its owner does not reach")
    func standing() {
        var mesh = parted
        for round in 0..<4 {
            mesh.publish([UInt8(round)], at: 0)
            mesh.run(.seconds(1))
        }
        #expect(mesh.core(2).section(TestMesh.health, of: TestMesh.id(0))?.bytes == [3])
        #expect(
            mesh.core(1).section(TestMesh.health, of: TestMesh.id(0))?.bytes == [0],
            "the first was signed, the last not")
        #expect(mesh.run(atMost: .seconds(9)) { $0.everyoneHolds([3], of: 0) } != nil)
    }

    @Test("a section that never stands still is passed on all the same, a minute old at most")
    func restless() {
        var mesh = parted
        var oldest = 0
        for round in 0..<150 {
            mesh.publish([UInt8(round)], at: 0)
            mesh.run(.seconds(1))
            let held = mesh.core(1).section(TestMesh.health, of: TestMesh.id(0))?.bytes.first
            if let held { oldest = max(oldest, round - Int(held)) }
        }
        #expect((30...65).contains(oldest), "\(oldest) s")
    }

    @Test("what rides on a probe leaves it as small as probes have to be")
    func rideSize() {
        var mesh = TestMesh(count: 5, seed: 10)
        mesh.run(.seconds(10))
        mesh.recordsPayloads = true
        for round in 0..<20 {
            mesh.publish(Array(repeating: UInt8(round), count: 300), at: 0)
            mesh.run(.seconds(1))
        }
        let probes = mesh.payloads.filter { $0[0] == 1 || $0[0] == 2 }
        #expect(probes.allSatisfy { $0.count <= GossipConfig().probePayloadBytesMax })
        #expect(probes.count > 100)
    }

    @Test("a peer that comes back is told at once what it missed, before it is signed")
    func returned() {
        for seed in 0..<20 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(10))
            for round in 0..<4 {
                mesh.publish([UInt8(round)], at: 0)
                mesh.run(.milliseconds(300))
            }
            mesh.restart(1)
            let span = mesh.run(atMost: .seconds(2)) {
                $0.core(1).section(TestMesh.health, of: TestMesh.id(0))?.bytes == [3]
            }
            #expect(span != nil, "seed \(seed)")
        }
    }

    @Test("what a probe or a datagram took along once is not sent again to the same peer")
    func onceEach() {
        for size in [8, 300] {
            var mesh = TestMesh(count: 5, seed: 11)
            mesh.run(.seconds(10))
            mesh.publish(Array(repeating: 1, count: size), at: 0)
            mesh.run(.seconds(1))
            mesh.recordsPayloads = true
            // The quick ones are used up: what comes last waits for its turn, or for a probe.
            for round in 2...5 {
                mesh.publish(Array(repeating: UInt8(round), count: size), at: 0)
                mesh.run(.milliseconds(250))
            }
            let content = Array(repeating: UInt8(250), count: size)
            mesh.publish(content, at: 0)
            mesh.run(.seconds(4))
            #expect(mesh.everyoneHolds(content, of: 0))
            let copies = mesh.payloads.count { $0.firstRange(of: content) != nil }
            #expect(copies == 4, "\(copies) copies of \(size) bytes")
        }
    }
}
