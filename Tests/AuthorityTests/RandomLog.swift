import Authority
import Primitives

/// Logs that no one planned: few names, sessions, tokens and keys, so that commands meet each other; several origins
/// that repeat, overtake and acknowledge; now and then bytes that are no command.
struct RandomLog {
    struct Entry {
        let bytes: [UInt8]
        let time: LogTime
    }

    private var random: SeededRandom
    private var time = LogTime.zero
    private var sequences: [UInt64: UInt64] = [:]
    private var sent: [[UInt8]] = []

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    /// Smaller tables, so that a few thousand entries fill them.
    static var limits: AuthorityLimits {
        var limits = AuthorityLimits()
        limits.users = 5
        limits.sessions = 12
        limits.sessionsPerUser = 4
        limits.apiKeys = 8
        limits.apiKeysPerUser = 3
        limits.signingKeys = 6
        limits.signingKeysPerNode = 2
        limits.values = 12
        limits.valueBytesTotal = 400
        limits.valueBytes = 60
        limits.locks = 3
        limits.topics = 2
        limits.eventsPerTopic = 4
        limits.topicBytesTotal = 600
        limits.eventBytes = 60
        limits.clients = 6
        limits.repliesPerClient = 8
        return limits
    }

    /// `state` is what the log has led to so far: a sign-in mostly names the password that is valid.
    mutating func next(at index: LogIndex, after state: AuthorityState) -> Entry {
        time = time + .milliseconds(random.chance(1, in: 40) ? random.below(1_000_000_000) : random.below(20_000))
        let bytes: [UInt8]
        switch random.below(20) {
        case 0: bytes = random.bytes(random.below(60))
        case 1, 2, 3: bytes = random.element(of: sent) ?? []
        default: bytes = fresh(at: index, after: state)
        }
        return Entry(bytes: bytes, time: time)
    }

    private mutating func fresh(at index: LogIndex, after state: AuthorityState) -> [UInt8] {
        let client = UInt64(random.below(9))
        let sequence = (sequences[client] ?? 0) + 1 + UInt64(random.below(2))
        sequences[client] = sequence
        let lowest = sequence > 4 ? sequence - UInt64(random.below(4)) : 1
        let envelope = CommandEnvelope(
            client: client, bornAt: LogIndex(index.value - min(index.value, UInt64(1 + random.below(30)))),
            sequence: sequence, lowestUnacknowledged: lowest, command: command(after: state)
        )
        var bytes = envelope.encode()
        if envelope.command.needsCoreWord, state.featureLevel >= .coreWords {
            bytes = TestRoster.worded(bytes, by: random.chance(1, in: 9) ? TestRoster.edge : TestRoster.bob)
        }
        sent = sent.suffix(30) + [bytes]
        return bytes
    }

    private mutating func command(after state: AuthorityState) -> AuthorityCommand {
        switch random.below(33) {
        case 0: .createUser(name: user(), verifier: .sample, role: role())
        case 1 where random.chance(1, in: 3): .setPassword(name: user(), verifier: .other)
        case 1: .setRole(name: user(), role: role())
        case 2: .setRole(name: user(), role: role())
        case 3: random.chance(1, in: 3) ? .removeUser(name: user()) : .expireSessions
        case 4, 5, 6, 7: .grantSession(grant(after: state))
        case 8, 9, 10, 11:
            .refresh(session().low, presented: token(), successor: token())
        case 12: .revokeSession(session())
        case 13: .revokeAllSessions(of: user(), except: random.chance(1, in: 2) ? session() : nil)
        case 14: .createAPIKey(.sample(UInt64(random.below(10)), of: user(), role: role()))
        case 15: .revokeAPIKey(APIKeyID(high: 0, low: UInt64(random.below(10))))
        case 16: .publishSigningKey(.sample(UInt64(random.below(8)), of: UInt64(random.below(4))))
        case 17: .retireSigningKey(SigningKeyID(high: 0, low: UInt64(random.below(8))))
        case 18, 19:
            .putValue(key: key(), value: random.bytes(random.below(64)), condition: condition(), author: user())
        case 20: .deleteValue(key: key(), condition: condition())
        case 21, 22, 27, 28:
            .acquireLock(
                LockRequest(
                    name: lock(), holder: LockHolder(high: 0, low: UInt64(random.below(3))),
                    lifetime: .milliseconds(Int64(random.below(60_000)))))
        case 23:
            random.chance(1, in: 2)
                ? .renewLock(name: "a", token: lockToken(after: state), lifetime: .seconds(1))
                : .releaseLock(name: "a", token: lockToken(after: state))
        case 24: .expireLocks
        case 25, 26:
            .publishEvent(topic: topic(), bytes: random.bytes(random.below(64)), author: user())
        case 29, 30:
            .putSealedValue(
                key: key(), epoch: epoch(after: state), sealed: random.bytes(30 + random.below(74)),
                condition: condition(), author: user())
        case 31: reseal(after: state)
        default: .anchorClock(TestLog.epoch + .milliseconds(time.milliseconds + Int64(random.below(100_000))))
        }
    }

    /// Mostly the active one.
    private mutating func epoch(after state: AuthorityState) -> UInt32 {
        random.chance(1, in: 6) ? UInt32(random.below(4)) : state.roster.secrets.active
    }

    private mutating func reseal(after state: AuthorityState) -> AuthorityCommand {
        let key = key()
        let stored = state.values[key]
        return .resealValue(
            key: key, revision: stored?.revision ?? LogIndex(UInt64(random.below(4000))), epoch: epoch(after: state),
            sealed: random.bytes((stored?.byteCount ?? 8) + StoredValue.sealBytes))
    }

    private mutating func grant(after state: AuthorityState) -> SessionGrant {
        let user = user()
        let revision = random.chance(1, in: 8) ? LogIndex.zero : state.users[user]?.passwordRevision ?? .zero
        return SessionGrant(
            id: session(), user: user, passwordRevision: revision, node: NodeID(high: 0, low: 1),
            refreshHash: .sample(token()), label: "")
    }

    private mutating func topic() -> TopicName { random.element(of: ["log/a", "log/b", "log/c"]) ?? "log/a" }
    private mutating func lock() -> LockName { random.element(of: ["a", "b", "c", "d"]) ?? "a" }
    private mutating func lockToken(after state: AuthorityState) -> LogIndex {
        random.chance(1, in: 4) ? .zero : state.locks["a"]?.token ?? .zero
    }

    private mutating func user() -> UserName {
        random.element(of: ["root", "ada", "bob", "eve", "joe", "sam"]) ?? "root"
    }
    private mutating func role() -> Role { random.element(of: [.admin, .user, .operator, .service]) ?? .user }
    private mutating func session() -> SessionID { SessionID(high: 0, low: UInt64(random.below(16))) }
    private mutating func token() -> UInt8 { UInt8(random.below(3)) }
    private mutating func key() -> ValueKey { ValueKey("k\(random.below(16))") ?? "k" }
    private mutating func condition() -> ValueCondition {
        switch random.below(5) {
        case 4: .ifHolding("a", token: LogIndex(UInt64(random.below(4000))))
        case 0: .ifMatch(LogIndex(UInt64(random.below(4000))))
        case 1: .ifNoneMatchAny
        default: .none
        }
    }
}
