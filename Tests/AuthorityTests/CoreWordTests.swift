import Authority
import Primitives
import Testing

/// Who may sign in is decided on core nodes: what makes somebody able to counts only with a core node's signature.
@Suite("Commands that need a core node's word")
struct CoreWordTests {
    private func log(level: FeatureLevel = .coreWords) -> TestLog {
        var log = TestLog.started()
        log.origin = TestRoster.origin
        log.apply(.createUser(name: "ada", verifier: .sample, role: .user))
        log.signIn("ada", session: 1)
        log.state.raise(to: level)
        return log
    }

    /// One of each that makes somebody able to sign in, or tokens count.
    private func powers(_ log: TestLog) -> [AuthorityCommand] {
        [
            .createUser(name: "eve", verifier: .sample, role: .admin),
            .setPassword(name: "ada", verifier: .other),
            .setRole(name: "ada", role: .admin),
            .removeUser(name: "ada"),
            .grantSession(
                SessionGrant(
                    id: SessionID(high: 0, low: 7), user: "ada",
                    passwordRevision: log.state.users["ada"]?.passwordRevision ?? .zero, node: TestRoster.ada,
                    refreshHash: .sample(1), label: "")),
            .refresh(1, presented: 1, successor: 2),
            .createAPIKey(.sample(3, of: "ada", role: .user)),
            .publishSigningKey(.sample(4, of: 1)),
        ]
    }

    @Test("an edge node, a stranger, a false signature, another mesh or none: nothing is granted and nobody let in")
    func refused() {
        let fresh = log()
        for command in powers(fresh) {
            let envelope = fresh.envelope(command, sequence: 90).dropLast(CoreWord.byteCount)
            let bare = Array(envelope)
            let stranger = NodeID(high: 9, low: 9)
            let words: [(String, [UInt8])] = [
                ("none", bare),
                ("an edge node's", TestRoster.worded(bare, by: TestRoster.edge)),
                ("a stranger's", TestRoster.worded(bare, by: stranger, key: TestRoster.ada)),
                (
                    "a core node's name, an edge node's key",
                    TestRoster.worded(bare, by: TestRoster.ada, key: TestRoster.edge)
                ),
                (
                    "another mesh's",
                    TestRoster.worded(bare, by: TestRoster.ada, cluster: Array(repeating: 2, count: 16))
                ),
                ("cut short", TestRoster.worded(bare, by: TestRoster.ada).dropLast()),
                ("too long", TestRoster.worded(bare, by: TestRoster.ada) + [0]),
            ]
            for (name, bytes) in words {
                var log = fresh
                #expect(log.applyEnvelope(bytes).reply == .refused(.unsigned), "\(name) for \(command)")
                #expect(log.holdsSame(as: fresh), "\(name) for \(command)")
            }
            var log = fresh
            #expect(log.applyEnvelope(TestRoster.worded(bare, by: TestRoster.bob)).reply != .refused(.unsigned))
            #expect(!log.holdsSame(as: fresh), "\(command) took effect")
        }
    }

    @Test("any byte of an entry changed: its word does not count for it")
    func bytes() {
        let fresh = log()
        let entry = fresh.envelope(.setRole(name: "ada", role: .admin), sequence: 90)
        for place in entry.indices {
            var log = fresh
            var changed = entry
            changed[place] ^= 1
            _ = log.applyEnvelope(changed)
            #expect(log.state.users["ada"]?.role == .user, "byte \(place)")
        }
    }

    @Test("a word is good for one entry: the same bytes again change nothing, whoever puts them into the log")
    func once() {
        var log = log()
        let promoted = log.envelope(.setRole(name: "ada", role: .admin), sequence: 90)
        #expect(log.applyEnvelope(promoted).reply == .done)
        log.sequence = 90
        #expect(log.apply(.setRole(name: "ada", role: .user)) == .done)
        #expect(log.applyEnvelope(promoted).isRepeat)
        #expect(log.state.users["ada"]?.role == .user)
    }

    @Test("a revoked core node's word counts no longer")
    func revoked() {
        var log = log()
        let record = RosterRecord.revoke(TestRoster.bob)
        #expect(log.apply(.changeRoster(TestRoster.signed(record, revision: 0))) == .done)
        let bare = log.envelope(.setRole(name: "ada", role: .admin), sequence: 90).dropLast(CoreWord.byteCount)
        #expect(log.applyEnvelope(TestRoster.worded(Array(bare), by: TestRoster.bob)).reply == .refused(.unsigned))
        #expect(log.state.users["ada"]?.role == .user)
    }

    @Test("what ends sessions and keys, or stores values, needs no word")
    func others() {
        var log = log()
        #expect(log.apply(.revokeSession(SessionID(high: 0, low: 1))) == .sessionsEnded(1))
        #expect(log.apply(.put("a", "1")) != .refused(.unsigned))
    }

    @Test("below the level a word is malformed, as it is to a program that knows none")
    func older() {
        var log = log(level: .roster)
        let bare = log.envelope(.setRole(name: "ada", role: .admin), sequence: 90)
        let worded = TestRoster.worded(bare, by: TestRoster.ada)
        #expect(log.applyEnvelope(worded).reply == .refused(.malformed))
        #expect(log.applyEnvelope(bare).reply == .done)
    }
}
