import Authority
import Primitives
import Testing

/// One of every command, with each form of its fields.
let everyCommand: [AuthorityCommand] = [
    .createUser(name: "ada", verifier: .sample, role: .service),
    .setPassword(name: "root", verifier: .other),
    .setRole(name: "ada", role: .operator),
    .removeUser(name: "ada"),
    .grantSession(
        SessionGrant(
            id: SessionID(high: 1, low: 2), user: "root", passwordRevision: LogIndex(300),
            node: NodeID(high: 3, low: 4), refreshHash: .sample(5), label: "T\u{E9}l\u{E9}phone")),
    .refresh(1, presented: 1, successor: 2),
    .revokeSession(SessionID(high: 1, low: 1)),
    .revokeAllSessions(of: "root", except: nil),
    .revokeAllSessions(of: "root", except: SessionID(high: 1, low: 1)),
    .expireSessions,
    .createAPIKey(.sample(1, of: "root", role: .operator)),
    .revokeAPIKey(APIKeyID(high: 0, low: 1)),
    .publishSigningKey(.sample(1, of: 2)),
    .retireSigningKey(SigningKeyID(high: 0, low: 1)),
    .put("k", "v"),
    .put("k", "", if: .ifNoneMatchAny),
    .put("k", "v", if: .ifMatch(LogIndex(.max))),
    .deleteValue(key: "k", condition: .ifMatch(LogIndex(3))),
    .anchorClock(TestLog.epoch),
    .acquireLock(LockRequest(name: "gpu", holder: LockHolder(high: 1, low: 2), lifetime: .seconds(30))),
    .renewLock(name: "gpu", token: LogIndex(7), lifetime: .milliseconds(100)),
    .releaseLock(name: "gpu", token: LogIndex(7)),
    .expireLocks,
    .put("k", "v", if: .ifHolding("gpu", token: LogIndex(7))),
    .changeRoster(TestRoster.signed(TestRoster.rotation(2), revision: 7)),
    .changeRoster(TestRoster.signed(.revoke(TestRoster.edge), revision: 8)),
    .changeRoster(TestRoster.signed(.revokeToken(JoinTokenID(high: 1, low: 2)), revision: 9)),
    .changeRoster(
        TestRoster.signed(
            .issueToken(
                JoinToken(
                    id: JoinTokenID(high: 1, low: 2), isCore: true, rank: 1000, mayVote: false,
                    expiresAt: TestLog.epoch,
                    issuer: TestRoster.ada, author: "root", label: "T\u{E9}",
                    copies: [.init(node: TestRoster.ada, sealed: [])])),
            revision: .max)),
    .changeRoster(
        TestRoster.signed(
            .admit(
                Admission(
                    token: JoinTokenID(high: 1, low: 2),
                    member: RosterMember(
                        name: "new", node: NodeID(high: 8, low: 9), exchangeKey: .sample(1), signingKey: .sample(2),
                        replica: ReplicaID(4), isCore: false, rank: 3, mayVote: true,
                        endpoint: Endpoint(ipv4: 10, 0, 0, 1, port: 1)))),
            revision: 10)),
    .activateSecret(epoch: 2),
    .publishEvent(topic: "log/jobs", bytes: [1, 2, 3], author: "ada"),
    .retireSecrets(before: 2),
    .putSealedValue(key: "k", epoch: 7, sealed: [1, 2, 3], condition: .ifMatch(LogIndex(3)), author: "ada"),
    .resealValue(key: "k", revision: LogIndex(300), epoch: .max, sealed: [1, 2, 3]),
    .changeRoster(TestRoster.signed(TestRoster.rotation(2, withDataKey: true), revision: 7)),
]

private func sampleEnvelope(_ command: AuthorityCommand) -> CommandEnvelope {
    CommandEnvelope(client: .max, bornAt: LogIndex(2), sequence: 70_000, lowestUnacknowledged: 69_000, command: command)
}

@Test("every command survives the journey through the log", arguments: everyCommand)
func roundTrip(command: AuthorityCommand) throws {
    let envelope = sampleEnvelope(command)
    #expect(try CommandEnvelope(decoding: envelope.encode()) == envelope)
}

@Test("an envelope cut anywhere, or with a byte too many, is refused and changes no table", arguments: everyCommand)
func truncation(command: AuthorityCommand) {
    let bytes = sampleEnvelope(command).encode()
    var log = TestLog.started()
    let before = log
    for length in 0..<bytes.count {
        #expect(log.applyEnvelope(Array(bytes[..<length])).reply == .refused(.malformed))
    }
    #expect(log.applyEnvelope(bytes + [0]).reply == .refused(.malformed))
    #expect(log.holdsSame(as: before) && log.state.clients == before.state.clients)
}

@Test("random bytes and flipped bits never trap, and what is refused as malformed changes no table")
func noise() {
    var random = SeededRandom(seed: 2)
    var log = TestLog.started()
    log.signIn("root", session: 1)
    for round in 0..<20_000 {
        var bytes = sampleEnvelope(everyCommand[round % everyCommand.count]).encode()
        switch round % 3 {
        case 0: bytes = random.bytes(random.below(200))
        case 1: bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
        default: bytes = [CommandEnvelope.version] + random.bytes(40)
        }
        let before = log
        log.index = log.index.next
        let applied = log.state.apply(bytes, at: log.index, time: log.time)
        if applied.reply == .refused(.malformed), !log.holdsSame(as: before) {
            Issue.record("round \(round) changed a table")
        }
        if round.isMultiple(of: 100) { log.state.checkInvariants() }
    }
    log.state.checkInvariants()
}

@Test("another version of the envelope is refused")
func otherVersion() {
    var bytes = sampleEnvelope(.expireSessions).encode()
    bytes[0] = 2
    #expect(throws: DecodeError.invalid("envelope version")) { try CommandEnvelope(decoding: bytes) }
}

@Test(
    "sequence zero and an acknowledgement beyond the sequence are refused",
    arguments: [
        (UInt64(0), UInt64(0)), (5, 0), (5, 6), (.max, 1),
    ])
func sequences(sequence: UInt64, lowest: UInt64) {
    var writer = ByteWriter()
    writer.write(CommandEnvelope.version)
    writer.write(UInt64(1))
    writer.write(LogIndex.zero)
    writer.writeVarint(sequence)
    writer.writeVarint(lowest)
    AuthorityCommand.expireSessions.encode(into: &writer)
    #expect(throws: DecodeError.invalid("sequence")) { try CommandEnvelope(decoding: writer.bytes) }
}

@Test("names and keys are bounded, and hold nothing invisible")
func texts() {
    func isName(_ text: String) -> Bool { UserName(text) != nil }
    func isKey(_ text: String) -> Bool { ValueKey(text) != nil }
    #expect(!isName(""))
    #expect(isName(String(repeating: "a", count: 64)))
    #expect(!isName(String(repeating: "a", count: 65)))
    #expect(!isName(String(repeating: "\u{E9}", count: 33)))
    #expect(isKey(String(repeating: "k", count: 512)))
    #expect(!isKey(String(repeating: "k", count: 513)))
    for hidden in ["\0", "\n", "\u{7F}", "\u{85}", "\u{200B}", "\u{2028}", "\u{202E}", "\u{2066}", "\u{FEFF}"] {
        #expect(!isName("a" + hidden), "U+\(String(hidden.unicodeScalars.first!.value, radix: 16))")
    }
    #expect(UserName(utf8: [0xC3]) == nil)
    #expect(isName("\u{E4}\u{6F22} \u{1F600}"))
}

@Test("any text becomes a label: refused characters as spaces, cut between characters")
func labels() {
    #expect(Label(sanitising: "curl/8.0\r\nX: y").text == "curl/8.0  X: y")
    #expect(Label(sanitising: String(repeating: "a", count: 127) + "\u{E9}").text == String(repeating: "a", count: 127))
    #expect(Label(sanitising: "").utf8.isEmpty)
}

@Test("identifiers and digests print as they are parsed")
func identifiers() {
    let id = SessionID(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10)
    #expect(id.description == "0102030405060708090a0b0c0d0e0f10")
    #expect(SessionID(hex: id.description) == id)
    #expect(SessionID(bytes: id.bytes) == id)
    #expect(SessionID(hex: "01") == nil)
    let ascending = (UInt8(1)...32).map { $0 }
    #expect(Bytes32(ascending)?.bytes == ascending)
    #expect(Bytes32(Array(ascending.dropLast())) == nil)
    #expect(Role(name: "operator") == .operator && Role(name: "Operator") == nil)
}
