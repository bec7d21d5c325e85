import Gossip
import Primitives
import Testing

/// Sorted spans at a percentile, nearest rank; of none, longer than any bar.
func percentile(_ spans: [Duration], _ percent: Int) -> Duration {
    guard !spans.isEmpty else { return .seconds(1_000_000) }
    let sorted = spans.sorted()
    return sorted[min(sorted.count - 1, (sorted.count * percent + 99) / 100 - 1)]
}

@Suite("Failure detection")
struct DetectionTests {
    @Test("five members find each other within a second")
    func formation() {
        for seed in 0..<50 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            let span = mesh.run(atMost: .seconds(1)) { $0.everyoneAlive }
            #expect(span != nil, "seed \(seed)")
        }
    }

    @Test("every survivor of five knows of a crash: p50 within 0.5 s, p99 within 1 s")
    func crashOfOneInFive() {
        var spans: [Duration] = []
        for seed in 0..<200 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(10) + .milliseconds(17 * seed))
            mesh.forgetEvents()
            let victim = seed % 5
            let survivors = (0..<5).filter { $0 != victim }
            let crashedAt = mesh.now
            mesh.crash(victim)
            mesh.run(.seconds(5))
            for survivor in survivors {
                guard let event = mesh.changes(of: victim, to: .dead, at: [survivor]).first else {
                    Issue.record("seed \(seed): n\(survivor + 1) never learnt of the crash")
                    continue
                }
                spans.append(event.at - crashedAt)
            }
            for other in survivors {
                #expect(mesh.changes(of: other, to: .dead, at: survivors).isEmpty, "seed \(seed): n\(other + 1) buried")
            }
        }
        print(
            "crash known, n=5: p50 \(percentile(spans, 50)) p99 \(percentile(spans, 99)) max \(percentile(spans, 100))")
        #expect(percentile(spans, 50) <= .milliseconds(500))
        #expect(percentile(spans, 99) <= .seconds(1))
    }

    @Test("a small mesh keeps a stream a pair, opened by the lower id; none to the dead, and none in a larger mesh")
    func companions() {
        var mesh = TestMesh(count: 5, seed: 1)
        mesh.run(.seconds(5))
        for node in 0..<5 {
            #expect(mesh.core(node).companions.map(\.id) == (node + 1..<5).map(TestMesh.id))
        }
        mesh.crash(3)
        mesh.run(.seconds(5))
        #expect(mesh.core(1).companions.map(\.id) == [2, 4].map(TestMesh.id))

        var larger = TestMesh(count: 9, seed: 1)
        larger.run(.seconds(5))
        #expect(larger.everyoneAlive)
        #expect((0..<9).allSatisfy { larger.core($0).companions.isEmpty })
    }

    @Test("a lost connection has its other end asked at once: a crash is suspected sooner, and nobody who answers is")
    func lostConnection() {
        for seed in 0..<50 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(10) + .milliseconds(31 * seed))
            mesh.forgetEvents()
            mesh.crash(4)
            for lost in 3...4 {
                mesh.input(0) { $0.noteLostConnection(to: TestMesh.id(lost), now: $1, into: &$2) }
            }
            let probes = mesh.core(0).counters.probes
            mesh.input(0) { $0.noteLostConnection(to: TestMesh.id(4), now: $1, into: &$2) }
            #expect(mesh.core(0).counters.probes == probes, "seed \(seed): asked while an answer is due")
            let suspicion = mesh.run(atMost: .milliseconds(200)) { $0.state(of: 4, at: 0) == .suspect }
            #expect(suspicion != nil, "seed \(seed)")
            mesh.run(.seconds(5))
            #expect(mesh.state(of: 4, at: 0) == .dead)
            #expect(mesh.changes(of: 3, to: .suspect, at: [0, 1, 2]).isEmpty, "seed \(seed)")
        }
    }

    @Test("a lost connection hurries a probe that is under way: it does not wait for the direct answer first")
    func lostWhileAsked() {
        var hurried = 0
        for seed in 0..<200 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.run(.seconds(10) + .milliseconds(31 * seed))
            mesh.crash(4)
            mesh.run(.milliseconds(seed % 40))
            let probes = mesh.core(0).counters.probes
            mesh.input(0) { $0.noteLostConnection(to: TestMesh.id(4), now: $1, into: &$2) }
            if mesh.core(0).counters.probes == probes { hurried += 1 }
            let suspicion = mesh.run(atMost: .milliseconds(130)) { $0.state(of: 4, at: 0) == .suspect }
            #expect(suspicion != nil, "seed \(seed)")
        }
        #expect(hurried >= 3, "\(hurried) probes were under way")
    }

    @Test("one doubt makes some dozens of messages, not questions that raise each other for ever", arguments: [0, 500])
    func questionsEnd(microseconds: Int) {
        for seed in 0..<20 {
            var mesh = TestMesh(count: 5, seed: UInt64(seed))
            mesh.delay = .microseconds(microseconds)...Duration.microseconds(microseconds)
            mesh.run(.seconds(10))
            mesh.resetTraffic()
            mesh.input(0) { $0.noteLostConnection(to: TestMesh.id(4), now: $1, into: &$2) }
            mesh.run(.milliseconds(300))
            let sent = mesh.nodes.reduce(0) { $0 + $1.payloadsSent }
            #expect(sent <= 60, "seed \(seed): \(sent) payloads")
        }
    }

    @Test("an idle node of five, and of fifty, sends about 400 bytes a second", arguments: [1, 2, 5, 8, 50])
    func idleTraffic(count: Int) {
        var mesh = TestMesh(count: count, seed: 7)
        mesh.checksInvariants = count < 50
        mesh.run(.seconds(30))
        #expect(mesh.everyoneAlive)
        mesh.resetTraffic()
        mesh.run(.seconds(60))
        let rate = mesh.bytesPerSecond(over: .seconds(60))
        print("idle, n=\(count): \(Int(rate)) B/s a node, \(TestMesh.sealingBytes) B sealing a payload included")
        #expect(rate <= 450)
    }
}
