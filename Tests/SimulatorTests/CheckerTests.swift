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

    private static func log(_ terms: UInt64...) -> RaftLog {
        RaftLog(
            terms.enumerated().map { place, term in
                Entry(index: LogIndex(UInt64(place + 1)), term: Term(term), time: .zero, kind: .noop, payload: [])
            })
    }

    @Test("Raft §5.4.3: who leads a term and lacks what was committed in the terms before; a late leader is lawful")
    func leaderCompleteness() {
        var logs = LogChecker(nodes: 3)
        func commit(_ log: RaftLog, through index: UInt64, in term: UInt64, of node: Int) -> (String?, Bool) {
            let found = logs.look(at: log, commit: LogIndex(index), of: node)
            return (found, logs.noteCommitted(through: LogIndex(index), in: Term(term)))
        }
        #expect(commit(Self.log(1, 1), through: 2, in: 1, of: 0) == (nil, true))
        #expect(commit(Self.log(1, 1, 3), through: 3, in: 3, of: 1) == (nil, true))
        #expect(commit(Self.log(1, 1, 3), through: 3, in: 4, of: 0) == (nil, false), "others learn of it later")
        func isWrong(_ log: RaftLog, leading term: UInt64) -> Bool {
            logs.judge(leader: log, term: Term(term), 2)?.hasPrefix("leader completeness") == true
        }
        #expect(!isWrong(Self.log(1, 1), leading: 2), "its votes are older than the third entry")
        #expect(isWrong(Self.log(1), leading: 2))
        #expect(isWrong(Self.log(1, 1), leading: 4))
        #expect(isWrong(Self.log(1, 1, 2), leading: 4))
        #expect(!isWrong(Self.log(1, 1, 3), leading: 4))
    }

    @Test("two entries at one place of one term, and two that are committed at one index")
    func logMatching() {
        var logs = LogChecker(nodes: 2)
        let first = logs.look(at: Self.log(1, 1, 2), commit: LogIndex(1), of: 0)
        #expect(first == nil)
        var others = logs
        let other = others.look(at: Self.log(1, 2, 2), commit: .zero, of: 1)
        #expect(other?.hasPrefix("log matching") == true)
        let second = logs.look(at: Self.log(2), commit: LogIndex(1), of: 1)
        #expect(second?.hasPrefix("state machine safety") == true)
    }

    @Test("an observer that hands on what is not committed, or says that it is")
    func hearsay() {
        var logs = LogChecker(nodes: 2)
        _ = logs.noteCommitted(through: LogIndex(3), in: Term(1))
        func isWrong(after previous: UInt64, count: Int, commit: UInt64) -> Bool {
            let fetched = RaftMessage.Fetched(
                term: Term(1), leader: nil, previous: LogPosition(index: LogIndex(previous), term: Term(1)),
                entries: Array(Self.log(1, 1, 1, 1).entries(after: LogIndex(previous), bytes: 1 << 20).prefix(count)),
                commitIndex: LogIndex(commit), time: .zero)
            return logs.judge(handedOn: fetched, by: ReplicaID(9))?.hasPrefix("hearsay") == true
        }
        #expect(!isWrong(after: 1, count: 2, commit: 3))
        #expect(isWrong(after: 1, count: 3, commit: 3))
        #expect(isWrong(after: 0, count: 0, commit: 4))
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
