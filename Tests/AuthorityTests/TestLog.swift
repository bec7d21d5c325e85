import Authority
import Primitives

/// A log of one origin, applied as it is written; what a test says in commands instead of bytes and indexes.
struct TestLog {
    static let epoch = UnixTime(milliseconds: 1_760_000_000_000)

    var state: AuthorityState
    var index: LogIndex = .zero
    var time: LogTime = .zero
    var client: UInt64 = 0xA
    var bornAt: LogIndex = .zero
    var sequence: UInt64 = 0
    var origin = MeshOrigin.none

    init(limits: AuthorityLimits = .standard) {
        state = AuthorityState(limits: limits)
    }

    /// With an admin called root and an anchored clock: where most stories begin.
    static func started(limits: AuthorityLimits = .standard) -> TestLog {
        var log = TestLog(limits: limits)
        log.apply(.createUser(name: "root", verifier: .sample, role: .admin))
        log.apply(.anchorClock(epoch))
        return log
    }

    @discardableResult
    mutating func apply(_ command: AuthorityCommand) -> AuthorityReply {
        sequence += 1
        return applyEnvelope(envelope(command, sequence: sequence)).reply
    }

    func envelope(_ command: AuthorityCommand, sequence: UInt64, acknowledgedBelow lowest: UInt64 = 1) -> [UInt8] {
        let envelope = CommandEnvelope(
            client: client, bornAt: bornAt, sequence: sequence, lowestUnacknowledged: lowest, command: command
        ).encode()
        guard command.needsCoreWord, state.featureLevel >= .coreWords else { return envelope }
        return TestRoster.worded(envelope, by: TestRoster.ada)
    }

    @discardableResult
    mutating func applyEnvelope(_ bytes: [UInt8]) -> AppliedCommand {
        index = index.next
        let applied = state.apply(bytes, at: index, time: time, origin: origin)
        state.checkInvariants()
        return applied
    }

    mutating func wait(_ span: Duration) { time = time + span }

    @discardableResult
    mutating func signIn(_ user: UserName, session: UInt64, token: UInt8 = 1) -> AuthorityReply {
        apply(
            .grantSession(
                SessionGrant(
                    id: SessionID(high: 0, low: session), user: user,
                    passwordRevision: state.users[user]?.passwordRevision ?? .zero,
                    node: NodeID(high: 1, low: 1), refreshHash: .sample(token), label: "Firefox")))
    }

    /// Presents the refresh token whose hash is `sample(presented)`, proposing `sample(successor)`.
    @discardableResult
    mutating func refresh(_ session: UInt64, presented: UInt8, successor: UInt8) -> AuthorityReply {
        apply(.refresh(session, presented: presented, successor: successor))
    }

    func session(_ number: UInt64) -> Session? { state.sessions[SessionID(high: 0, low: number)] }

    /// Whether every table holds the same; the position in the log, which advances with each entry, does not count.
    func holdsSame(as other: TestLog) -> Bool {
        state.users == other.state.users && state.sessions == other.state.sessions
            && state.apiKeys == other.state.apiKeys && state.signingKeys == other.state.signingKeys
            && state.values == other.state.values && state.locks == other.state.locks
            && state.topics == other.state.topics
            && state.clock.anchor == other.state.clock.anchor
    }
}

extension AuthorityCommand {
    static func refresh(_ session: UInt64, presented: UInt8, successor: UInt8) -> AuthorityCommand {
        .rotateRefresh(
            RefreshRotation(
                session: SessionID(high: 0, low: session), presentedHash: .sample(presented),
                successorHash: .sample(successor), sealedSuccessor: [successor, successor]))
    }

    static func put(
        _ key: ValueKey, _ text: String, if condition: ValueCondition = .none
    ) -> AuthorityCommand {
        .putValue(key: key, value: Array(text.utf8), condition: condition, author: "root")
    }
}

extension BoundedText: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) {
        guard let value = Self(text) else { preconditionFailure("\(text) is no \(Self.self)") }
        self = value
    }
}

extension PasswordVerifier {
    static let sample = PasswordVerifier(encoded: "$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$aGFzaA")!
    static let other = PasswordVerifier(encoded: "$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$b3RoZXI")!
}

extension Bytes32 {
    static func sample(_ number: UInt8) -> Bytes32 { Bytes32(Array(repeating: number, count: 32))! }
}

extension AuthorityReply {
    var sealedSuccessor: [UInt8]? {
        guard case .rotated(_, let sealed) = self else { return nil }
        return sealed
    }

    var isGranted: Bool {
        if case .granted = self { true } else { false }
    }
}
