import Authority
import Gossip
import NodeCore
import Primitives
import Testing

@Suite("Published views")
struct ViewTests {
    private static func makeMesh() throws -> BrainPair {
        var mesh = try BrainPair(3)
        mesh.run(for: .seconds(4))
        return mesh
    }

    @Test("every node names the primary, is fresh, and knows the others")
    func healthy() throws {
        let mesh = try Self.makeMesh()
        for place in 0..<3 {
            let view = mesh.brains[place].makeView(at: mesh.now)
            #expect(view.primary(at: mesh.now) == mesh.ids[0])
            #expect(view.isFresh(at: mesh.now))
            #expect(view.members.map(\.name) == ["n1", "n2", "n3"])
            #expect(view.members.allSatisfy { $0.state == .alive && $0.isVoter && $0.descriptor != nil })
        }
    }

    /// The view is a value that a stopped process still holds when it wakes.
    @Test("an old view claims neither primacy nor freshness: both lapse with time alone")
    func lapsing() throws {
        let mesh = try Self.makeMesh()
        let view = mesh.brains[0].makeView(at: mesh.now)
        #expect(view.isPrimary(at: mesh.now))
        #expect(!view.isPrimary(at: mesh.now + .milliseconds(240)), "the lease is 0.8 E of 300 ms")
        #expect(view.primary(at: mesh.now + .seconds(4)) == nil)
        #expect(!view.isFresh(at: mesh.now + .milliseconds(500)))
    }

    @Test("a node that has heard of commits it has not applied is as fresh as what it had applied before them")
    func behind() throws {
        var mesh = try Self.makeMesh()
        let news = String(repeating: "n", count: 700)
        _ = mesh.submit(try BrainPair.put(news), to: 0)
        // Heartbeats pass, the entry does not.
        mesh.run(for: .milliseconds(300)) { $0.to != 2 || $0.bytes.count < 600 }
        #expect(mesh.value(on: 1) == news && mesh.value(on: 2) == nil)
        #expect(mesh.brains[2].makeView(at: mesh.now).isFresh(at: mesh.now), "what it knew is not half a second old")
        mesh.run(for: .milliseconds(300)) { $0.to != 2 || $0.bytes.count < 600 }
        #expect(mesh.value(on: 2) == nil)
        #expect(mesh.brains[1].makeView(at: mesh.now).isFresh(at: mesh.now))
        let old = mesh.brains[2].makeView(at: mesh.now)
        #expect(!old.isFresh(at: mesh.now))
        #expect(old.hasCaughtUp, "it is sure of what it knew then")
        mesh.run(for: .milliseconds(400))
        #expect(mesh.value(on: 2) == news && mesh.brains[2].makeView(at: mesh.now).isFresh(at: mesh.now))
    }

    @Test("a follower names no primary once E has passed without a word from it")
    func silence() throws {
        var mesh = try Self.makeMesh()
        let view = mesh.brains[1].makeView(at: mesh.now)
        #expect(view.primary(at: mesh.now + .milliseconds(300)) == nil)
        mesh.run(for: .milliseconds(400)) { _ in false }
        #expect(mesh.brains[1].makeView(at: mesh.now).primary(at: mesh.now) == nil)
    }

    @Test("a node that is a mesh of one stays primary and fresh in what it publishes, though nobody ever answers it")
    func alone() throws {
        var mesh = try BrainPair(1)
        mesh.run(for: .seconds(2))
        var (version, published) = (mesh.brains[0].viewVersion, mesh.brains[0].makeView(at: mesh.now))
        for _ in 0..<200 {
            mesh.run(for: .milliseconds(10))
            if mesh.brains[0].viewVersion != version {
                (version, published) = (mesh.brains[0].viewVersion, mesh.brains[0].makeView(at: mesh.now))
            }
            #expect(published.isPrimary(at: mesh.now) && published.isFresh(at: mesh.now))
        }
    }

    @Test(
        "case 45: a primary that wakes from a pause does not claim to be primary, before it has done anything and after"
    )
    func paused() throws {
        var mesh = try Self.makeMesh()
        mesh.sleep(.seconds(4))
        #expect(!mesh.brains[0].makeView(at: mesh.now).isPrimary(at: mesh.now))
        mesh.give(.paused(.seconds(4)), to: 0)
        #expect(!mesh.brains[0].makeView(at: mesh.now).isPrimary(at: mesh.now))
        #expect(mesh.brains[0].membership.members.allSatisfy { $0.state == .alive }, "its pause is nobody's failure")
    }

    @Test("log time goes on between entries, and never backwards")
    func logTime() throws {
        var mesh = try Self.makeMesh()
        for node in 0..<3 { mesh.give(.wallClock(unixMilliseconds: 1_735_689_600_000), to: node) }
        mesh.run(for: .seconds(15))
        let view = mesh.brains[2].makeView(at: mesh.now)
        let first = try #require(view.unixTime(at: mesh.now))
        let later = try #require(view.unixTime(at: mesh.now + .seconds(7)))
        #expect(first + .seconds(7) == later)
    }
}
