import Authority
import NodeCore
import Primitives
import Raft
import Simulator
import Testing

/// Every checker is shown a broken mesh here: one that stays silent proves nothing.
@Suite("Checkers see what is wrong")
struct CheckerTests {
    private static func makeWorld() throws -> (World, SessionID) {
        var world = World(WorldSettings(nodes: 3, seed: 5))
        for node in 0..<3 { world.start(node) }
        world.run(for: .seconds(5))
        let user = try #require(UserName("ada"))
        let verifier = try #require(PasswordVerifier(encoded: "$simulated$"))
        let label = try #require(Label("test"))
        _ = world.submit(.createUser(name: user, verifier: verifier, role: .admin), to: 0)
        world.run(for: .seconds(1))
        let revision = try #require(world.brain(of: 0)?.authority.users[user]?.passwordRevision)
        let id = SessionID(high: 1, low: 2)
        let hash = try #require(Bytes32(Array(repeating: 7, count: 32)))
        _ = world.submit(
            .grantSession(
                SessionGrant(
                    id: id, user: user, passwordRevision: revision, node: NodeID(high: 1, low: 1), refreshHash: hash,
                    label: label)),
            to: 1)
        world.run(for: .seconds(1))
        try #require(world.brain(of: 2)?.authority.sessions[id] != nil)
        return (world, id)
    }

    @Test("two leaders of one term")
    func election() {
        var checkers = Checkers()
        #expect(checkers.observe(.roleChanged(.leader, Term(3), leader: nil), of: 0) == nil)
        #expect(checkers.observe(.roleChanged(.follower, Term(3), leader: nil), of: 1) == nil)
        #expect(checkers.observe(.roleChanged(.leader, Term(3), leader: nil), of: 0) == nil)
        #expect(checkers.observe(.roleChanged(.leader, Term(4), leader: nil), of: 1) == nil)
        #expect(
            checkers.observe(.roleChanged(.leader, Term(3), leader: nil), of: 2)?.hasPrefix("election safety") == true)
    }

    @Test("two answers for one entry")
    func stateMachine() {
        var checkers = Checkers()
        #expect(checkers.observe(.applied(LogIndex(7), .done), of: 0) == nil)
        #expect(checkers.observe(.applied(LogIndex(7), .done), of: 1) == nil)
        #expect(checkers.observe(.applied(LogIndex(8), .sessionsEnded(1)), of: 1) == nil)
        #expect(
            checkers.observe(.applied(LogIndex(7), .sessionsEnded(1)), of: 2)?.hasPrefix("state machine safety") == true
        )
    }

    /// The lease allows clocks that differ by 10%. A primary whose clock runs at half speed holds on for too long.
    @Test("two leases at one moment, where a clock is worse than the lease allows")
    func lease() {
        var world = World(WorldSettings(nodes: 3, seed: 5))
        for node in 0..<3 { world.start(node) }
        world.run(for: .seconds(10))
        #expect(world.primary(seenBy: 1) == 0)
        #expect(world.violations.isEmpty)
        world.setDrift(ppm: -500_000, of: 0)
        world.isolate(0)
        world.run(for: .seconds(5))
        #expect(world.violations.contains { $0.contains("lease safety") })
    }

    @Test("a clock within what the lease allows breaks nothing", arguments: [-90_000, 90_000])
    func goodLease(ppm: Int64) {
        var world = World(WorldSettings(nodes: 3, seed: 5))
        for node in 0..<3 { world.start(node) }
        world.run(for: .seconds(10))
        world.setDrift(ppm: ppm, of: 0)
        world.isolate(0)
        world.run(for: .seconds(5))
        #expect(world.violations.isEmpty)
    }

    @Test("a session that was granted and is gone")
    func lostSession() throws {
        let (world, _) = try Self.makeWorld()
        var checkers = Checkers()
        checkers.noteGranted(SessionID(high: 9, low: 9), at: LogIndex(1))
        #expect(checkers.sessionViolations(in: world).count == 3)
    }

    @Test("a session that was ended and is there")
    func revivedSession() throws {
        let (world, id) = try Self.makeWorld()
        var checkers = Checkers()
        checkers.noteGranted(id, at: LogIndex(1))
        #expect(checkers.sessionViolations(in: world).isEmpty)
        checkers.noteEnded(id, at: LogIndex(2))
        #expect(checkers.sessionViolations(in: world).count == 3)
    }

    @Test("equal logs with unequal outcomes")
    func divergence() throws {
        let (world, _) = try Self.makeWorld()
        let state = try #require(world.brain(of: 0)?.authority)
        #expect(Checkers.divergence(among: [("n1", state), ("n2", state)]) == nil)
        var other = AuthorityState()
        for index in 1...state.appliedIndex.value { other.noteApplied(LogIndex(index)) }
        #expect(Checkers.divergence(among: [("n1", state), ("n2", other)]) != nil)
    }

    private static let name = LockName("lock")
    private static let holders = [LockHolder(high: 1, low: 1), LockHolder(high: 2, low: 2)]

    @Test("a lock that two hold at once, and one that is used after another was granted it")
    func locks() throws {
        let name = try #require(Self.name)
        func grant(_ checker: inout LockChecker, _ token: UInt64, holder: Int, at second: Int64) -> String? {
            let asked = Instant.zero + .seconds(second)
            return checker.noteGranted(
                name, token: LogIndex(token), holder: Self.holders[holder], asked: asked,
                answered: asked + .seconds(1), lifetime: .seconds(5))
        }
        var honest = LockChecker()
        #expect(grant(&honest, 10, holder: 0, at: 0) == nil)
        #expect(honest.noteAct(name, token: LogIndex(10), at: LogIndex(12)) == nil)
        #expect(grant(&honest, 20, holder: 1, at: 6) == nil)
        #expect(honest.noteAct(name, token: LogIndex(20), at: LogIndex(22)) == nil)

        var hasty = honest
        #expect(grant(&hasty, 30, holder: 0, at: 7)?.hasPrefix("mutual exclusion") == true)
        var released = honest
        released.noteReleasing(name, token: LogIndex(20))
        #expect(grant(&released, 30, holder: 0, at: 7) == nil)
        var twice = honest
        #expect(grant(&twice, 20, holder: 0, at: 20)?.hasPrefix("mutual exclusion") == true)
        var late = honest
        #expect(late.noteAct(name, token: LogIndex(10), at: LogIndex(23))?.hasPrefix("fencing") == true)
    }
}
