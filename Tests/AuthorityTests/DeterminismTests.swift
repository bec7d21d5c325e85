import Authority
import Primitives
import Testing

@Suite("Equal logs give equal states and equal replies")
struct DeterminismTests {
    private static let entryCount = 4_000

    @Test("over random logs, and over a snapshot taken midway", arguments: UInt64(1)...6)
    func equalLogs(seed: UInt64) throws {
        var source = RandomLog(seed: seed)
        var first = AuthorityState(limits: RandomLog.limits)
        first.raise(to: .current)
        var second = first
        var third: AuthorityState?
        var kinds: Set<String> = []
        for number in 1...Self.entryCount {
            let index = LogIndex(UInt64(number))
            let entry = source.next(at: index, after: first)
            let origin = TestRoster.origin
            let reply = first.apply(entry.bytes, at: index, time: entry.time, origin: origin)
            let other = second.apply(entry.bytes, at: index, time: entry.time, origin: origin)
            try #require(other == reply, "seed \(seed) entry \(number)")
            if let other = third?.apply(entry.bytes, at: index, time: entry.time, origin: origin) {
                try #require(other == reply, "seed \(seed) entry \(number), after the snapshot")
            }
            kinds.insert(reply.isRepeat ? "repeat" : reply.reply.kind)
            first.checkInvariants()
            if number == Self.entryCount / 2 {
                third = try AuthoritySnapshot.decode(AuthoritySnapshot.encode(first), limits: RandomLog.limits)
            }
            if number.isMultiple(of: 500) {
                #expect(first.digest() == second.digest(), "seed \(seed) entry \(number)")
            }
        }
        #expect(third?.digest() == first.digest())
        // A log that only ever ran into refusals would prove little.
        #expect(kinds.isSuperset(of: RandomLog.expectedKinds), "never: \(RandomLog.expectedKinds.subtracting(kinds))")
    }

    @Test("the digest of a fixed log is the same in every process and build")
    func pinnedDigest() {
        var source = RandomLog(seed: 7)
        var state = AuthorityState(limits: RandomLog.limits)
        state.raise(to: .locks)
        for number in UInt64(1)...1_000 {
            let entry = source.next(at: LogIndex(number), after: state)
            _ = state.apply(entry.bytes, at: LogIndex(number), time: entry.time)
        }
        #expect(state.digest() == 0x6A05_7F35_DE0B_FB97)
    }

    @Test("the digest tells apart what differs in one value, one session or one remembered reply")
    func digestDiffers() {
        var log = TestLog.started()
        var digests: Set<UInt64> = [log.state.digest()]
        log.apply(.put("a", "1"))
        digests.insert(log.state.digest())
        log.apply(.put("a", "2"))
        digests.insert(log.state.digest())
        log.signIn("root", session: 1)
        digests.insert(log.state.digest())
        log.apply(.expireSessions)
        digests.insert(log.state.digest())
        #expect(digests.count == 5)
    }

    @Test("a copy keeps what it showed while the state goes on")
    func copiesAreIndependent() {
        var log = TestLog.started()
        log.signIn("root", session: 1)
        let view = log.state
        let digest = view.digest()
        log.apply(.revokeSession(SessionID(high: 0, low: 1)))
        log.apply(.put("a", "1"))
        #expect(view.digest() == digest)
        #expect(view.sessions[SessionID(high: 0, low: 1)] != nil)
    }
}

extension RandomLog {
    static let expectedKinds: Set<String> = [
        "repeat", "done", "granted", "rotated", "sessionsEnded", "stored", "malformed", "userExists", "unknownUser",
        "adminRequired", "passwordChanged", "idTaken", "unknownSession", "sessionExpired", "refreshReused",
        "unknownKey", "conditionFailed", "unknownValue", "tooLarge", "limitReached", "clockNotAhead",
        "staleSequence", "clientExpired", "locked", "lockHeld", "notHolding", "unsigned",
    ]
}

extension AuthorityReply {
    /// The name of the case, without what it carries.
    var kind: String {
        switch self {
        case .done: "done"
        case .granted: "granted"
        case .rotated: "rotated"
        case .sessionsEnded: "sessionsEnded"
        case .stored: "stored"
        case .locked: "locked"
        case .refused(.conditionFailed): "conditionFailed"
        case .refused(.lockHeld): "lockHeld"
        case .refused(let refusal): "\(refusal)"
        }
    }
}
