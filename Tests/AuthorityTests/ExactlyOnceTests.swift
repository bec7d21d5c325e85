import Authority
import Primitives
import Testing

@Suite("Ongaro's thesis §6.3: a command that the log holds twice takes effect once")
struct ExactlyOnceTests {
    @Test("case 28: committed, crashed before the reply, retried: one effect, the same answer")
    func retry() {
        var log = TestLog.started()
        let entry = log.envelope(.put("a", "1"), sequence: 50)
        let first = log.applyEnvelope(entry)
        log.apply(.put("b", "2"))
        let again = log.applyEnvelope(entry)
        let stored = AuthorityReply.stored(revision: LogIndex(3), created: true)
        #expect(first == AppliedCommand(client: 0xA, sequence: 50, reply: stored, isRepeat: false))
        #expect(again == AppliedCommand(client: 0xA, sequence: 50, reply: stored, isRepeat: true))
        #expect(log.state.values["a"]?.revision == LogIndex(3))
    }

    @Test("a refusal is remembered too: the repeat is refused though it could succeed now")
    func refusalIsRemembered() {
        var log = TestLog.started()
        let entry = log.envelope(.put("a", "1", if: .ifNoneMatchAny), sequence: 10)
        log.apply(.put("a", "0"))
        #expect(log.applyEnvelope(entry).reply == .refused(.conditionFailed(current: LogIndex(3))))
        log.apply(.deleteValue(key: "a", condition: .none))
        #expect(log.applyEnvelope(entry).reply == .refused(.conditionFailed(current: LogIndex(3))))
        #expect(log.state.values.count == 0)
    }

    @Test("commands that overtake each other all run, each once")
    func reordered() {
        var log = TestLog.started()
        let entries = (3...6).map { log.envelope(.put("k", "\($0)"), sequence: $0) }
        for place in [3, 1, 0, 2, 2, 0, 3, 1] { log.applyEnvelope(entries[place]) }
        #expect(log.state.values["k"]?.bytes == Array("5".utf8))
        #expect(log.state.values["k"]?.revision == LogIndex(6))
    }

    @Test("below what the origin has acknowledged, a command is stale and never run again")
    func stale() {
        var log = TestLog.started()
        let old = log.envelope(.put("a", "old"), sequence: 3)
        log.applyEnvelope(old)
        log.applyEnvelope(log.envelope(.put("a", "new"), sequence: 4, acknowledgedBelow: 4))
        #expect(log.applyEnvelope(old).reply == .refused(.staleSequence))
        #expect(log.state.values["a"]?.bytes == Array("new".utf8))
        #expect(log.applyEnvelope(log.envelope(.put("a", "?"), sequence: 4, acknowledgedBelow: 4)).isRepeat)
    }

    @Test("an origin that acknowledges nothing loses its oldest reply, which is then refused, not run")
    func replyLimit() {
        var limits = AuthorityLimits()
        limits.repliesPerClient = 3
        var log = TestLog.started(limits: limits)
        for sequence in UInt64(3)...6 { log.applyEnvelope(log.envelope(.put("k", "\(sequence)"), sequence: sequence)) }
        #expect(log.applyEnvelope(log.envelope(.put("k", "3"), sequence: 3)).reply == .refused(.staleSequence))
        #expect(log.applyEnvelope(log.envelope(.put("k", "4"), sequence: 4)).isRepeat)
        #expect(log.state.values["k"]?.bytes == Array("6".utf8))
    }

    @Test("case 29: retried after its origin was forgotten: an error, never run again")
    func forgottenClient() {
        var limits = AuthorityLimits()
        limits.clients = 2
        var log = TestLog.started(limits: limits)
        let entry = log.envelope(.put("a", "1"), sequence: 50)
        log.applyEnvelope(entry)
        log.apply(.deleteValue(key: "a", condition: .none))
        for newcomer: UInt64 in [0xB, 0xC] {
            log.client = newcomer
            log.bornAt = log.index
            log.sequence = 0
            #expect(log.apply(.put("b", "\(newcomer)")) == .stored(revision: log.index, created: newcomer == 0xB))
        }
        #expect(log.state.clients.count == 2)
        #expect(log.applyEnvelope(entry).reply == .refused(.clientExpired))
        #expect(log.state.values["a"] == nil)
        #expect(log.state.clients.count == 2)
    }

    @Test("an origin forgotten with its very first command unacknowledged cannot pass for a new one")
    func forgottenFirstCommand() {
        var limits = AuthorityLimits()
        limits.clients = 1
        var log = TestLog(limits: limits)
        let first = log.envelope(.createUser(name: "root", verifier: .sample, role: .admin), sequence: 1)
        log.applyEnvelope(first)
        log.client = 0xB
        log.bornAt = log.index
        log.apply(.createUser(name: "ada", verifier: .sample, role: .admin))
        log.apply(.removeUser(name: "root"))
        #expect(log.applyEnvelope(first).reply == .refused(.clientExpired))
        #expect(log.state.users.sorted.map(\.name) == ["ada"])
    }

    @Test("the least recently heard origin is forgotten, not the first to come")
    func leastRecentlyHeard() {
        var limits = AuthorityLimits()
        limits.clients = 2
        var log = TestLog.started(limits: limits)
        let entry = log.envelope(.put("a", "1"), sequence: 9)
        log.client = 0xB
        log.bornAt = log.index
        log.apply(.put("b", "1"))
        log.applyEnvelope(entry)
        log.client = 0xC
        log.bornAt = log.index
        log.apply(.put("c", "1"))
        #expect(log.applyEnvelope(entry).isRepeat)
    }

    @Test("an origin that claims to be born at or after its own command is refused")
    func bornTooLate() {
        var log = TestLog.started()
        log.client = 0xB
        log.bornAt = log.index.next
        #expect(log.apply(.put("a", "1")) == .refused(.malformed))
        log.bornAt = log.index
        #expect(log.apply(.put("a", "1")) == .stored(revision: LogIndex(4), created: true))
    }
}
