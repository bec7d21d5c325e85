import Authority
import NodeCore
import Primitives
import Raft
import Testing

@Suite("Requests to the mesh")
struct RequestTests {
    private static func makeMesh(_ count: Int = 3, voters: Int? = nil) throws -> BrainPair {
        var mesh = try BrainPair(count, voters: voters)
        mesh.run(for: .seconds(4))
        try #require(mesh.isPrimary(0))
        return mesh
    }

    @Test("a change asked for on a follower is answered once, after it is applied there")
    func forwarded() throws {
        var mesh = try Self.makeMesh()
        let request = mesh.submit(try BrainPair.put("a"), to: 2)
        mesh.run(for: .milliseconds(200))
        guard case .committed(.stored, _) = mesh.answers[request] else {
            Issue.record("\(String(describing: mesh.answers[request]))")
            return
        }
        #expect(mesh.value(on: 2) == "a")
    }

    @Test("a forwarded change takes effect once, however often its answer is lost and it is sent again")
    func repeated() throws {
        var mesh = try Self.makeMesh()
        let request = mesh.submit(try BrainPair.put("a"), to: 2)
        // n3 hears nothing for two seconds: it sends again and again what the others have long stored.
        mesh.run(for: .seconds(2)) { $0.to != 2 }
        #expect(mesh.answers[request] == nil)
        #expect(mesh.storedCount(on: 0) == 1)
        mesh.run(for: .milliseconds(900))
        guard case .committed(.stored(let revision, created: true), let index) = mesh.answers[request] else {
            Issue.record("\(String(describing: mesh.answers[request]))")
            return
        }
        #expect(revision == index)
        for place in 0..<3 {
            #expect(mesh.value(on: place) == "a")
            #expect(mesh.brains[place].authority.values[try #require(ValueKey("key"))]?.revision == revision)
        }
    }

    @Test("a change that outlives its primary takes effect once under the next")
    func leaderChange() throws {
        var mesh = try Self.makeMesh()
        // n1 takes it, and nobody learns of that.
        let request = mesh.submit(try BrainPair.put("a"), to: 2)
        mesh.run(for: .milliseconds(5)) { $0.from == 2 && $0.to == 0 }
        // n1 is gone; n2 and n3 elect one of them, and n3 hands the change to it.
        mesh.run(for: .seconds(2)) { $0.from != 0 && $0.to != 0 }
        guard case .committed(.stored, _) = mesh.answers[request] else {
            Issue.record("\(String(describing: mesh.answers[request]))")
            return
        }
        mesh.run(for: .seconds(6))
        for place in 0..<3 {
            #expect(mesh.value(on: place) == "a")
            #expect(mesh.storedCount(on: place) == 1)
        }
    }

    @Test("without a primary a change is refused, not left open: nothing was appended", arguments: [1, 2])
    func noQuorum(place: Int) throws {
        var mesh = try Self.makeMesh()
        mesh.run(for: .seconds(2)) { _ in false }
        let request = mesh.submit(try BrainPair.put("a"), to: place)
        mesh.run(for: .milliseconds(800)) { _ in false }
        #expect(mesh.answers[request] == nil, "it is held for a while, in case a primary appears")
        mesh.run(for: .milliseconds(300)) { _ in false }
        #expect(mesh.answers[request] == .refused(.noQuorum))
        mesh.run(for: .seconds(5))
        #expect(mesh.value(on: place) == nil)
    }

    @Test("a held change is done as soon as there is a primary again")
    func held() throws {
        var mesh = try Self.makeMesh()
        mesh.run(for: .milliseconds(100)) { $0.from != 0 && $0.to != 0 }
        let request = mesh.submit(try BrainPair.put("a"), to: 1)
        // The primary is lost, so the first attempt is as well; the second goes to the new one.
        mesh.run(for: .seconds(2)) { $0.from != 0 && $0.to != 0 }
        guard case .committed = mesh.answers[request] else {
            Issue.record("\(String(describing: mesh.answers[request]))")
            return
        }
    }

    @Test("case 46: a change that a lost primary may have appended is never called refused", arguments: [0, 1])
    func outcomeUnknown(place: Int) throws {
        var mesh = try Self.makeMesh()
        // n1 does not know yet that it is alone, or alone with n2.
        let request = mesh.submit(try BrainPair.put("a"), to: place)
        mesh.run(for: .seconds(5)) { place == 1 && $0.from == 1 && $0.to == 0 }
        #expect(mesh.answers[request] == .refused(.outcomeUnknown))
    }

    @Test("a node without a vote that has lost the primary refuses, since it sent nothing")
    func learner() throws {
        var mesh = try Self.makeMesh(2, voters: 1)
        mesh.run(for: .seconds(1)) { _ in false }
        let request = mesh.submit(try BrainPair.put("a"), to: 1)
        mesh.run(for: .seconds(4)) { _ in false }
        #expect(mesh.answers[request] == .refused(.noQuorum))
    }

    @Test("time does not stand still for a node whose change waits for a primary")
    func deadlines() throws {
        var mesh = try Self.makeMesh()
        _ = mesh.submit(try BrainPair.put("a"), to: 1)
        mesh.run(for: .milliseconds(700)) { _ in false }
        var effects: [NodeEffect] = []
        mesh.brains[1].tick(now: mesh.now, into: &effects)
        #expect(mesh.brains[1].nextDeadline > mesh.now)
    }

    @Test("a read waits until what was committed before it is applied here")
    func readBarrier() throws {
        var mesh = try Self.makeMesh()
        _ = mesh.submit(try BrainPair.put("a"), to: 0)
        // n3 misses it, and only then asks.
        mesh.run(for: .milliseconds(100)) { $0.to != 2 }
        #expect(mesh.value(on: 2) == nil)
        let read = mesh.readBarrier(at: 2)
        #expect(mesh.answers[read] == nil)
        mesh.run(for: .milliseconds(400))
        guard case .readable = mesh.answers[read] else {
            Issue.record("\(String(describing: mesh.answers[read]))")
            return
        }
        #expect(mesh.value(on: 2) == "a")
    }

    @Test("a read that no primary confirms is refused", arguments: [0, 1])
    func unconfirmedRead(place: Int) throws {
        var mesh = try Self.makeMesh()
        let read = mesh.readBarrier(at: place)
        mesh.run(for: .seconds(2)) { _ in false }
        #expect(mesh.answers[read] == .refused(.noQuorum))
    }

    @Test("requests beyond the limit are refused at once as overload")
    func overload() throws {
        var mesh = try Self.makeMesh()
        mesh.run(for: .seconds(2)) { _ in false }
        for _ in 0..<1024 { _ = mesh.submit(try BrainPair.put("a"), to: 1) }
        let request = mesh.submit(try BrainPair.put("b"), to: 1)
        #expect(mesh.answers[request] == .refused(.overloaded))
    }

    @Test("case 35: a failed disk stops the node: what waits is answered honestly, what comes is refused, others go on")
    func haltedDisk() throws {
        var mesh = try Self.makeMesh()
        mesh.failingDisks = [0]
        let open = mesh.submit(try BrainPair.put("a"), to: 0)
        mesh.run(for: .milliseconds(50))
        #expect(mesh.halted == [0])
        #expect(mesh.answers[open] == .refused(.outcomeUnknown))
        let late = mesh.submit(try BrainPair.put("b"), to: 0)
        let read = mesh.readBarrier(at: 0)
        #expect(mesh.answers[late] == .refused(.stopping))
        #expect(mesh.answers[read] == .refused(.stopping))
        #expect(!mesh.isPrimary(0))
        mesh.run(for: .seconds(2))
        let elsewhere = mesh.submit(try BrainPair.put("c"), to: 1)
        mesh.run(for: .milliseconds(300))
        guard case .committed = mesh.answers[elsewhere] else {
            Issue.record("\(String(describing: mesh.answers[elsewhere]))")
            return
        }
        #expect(mesh.halted == [0])
    }
}
