import Authority
import Primitives
import Testing

/// A state in which every table holds something.
private func furnished() -> TestLog {
    var log = TestLog.started()
    log.apply(.createUser(name: "ada", verifier: .other, role: .operator))
    for number in UInt64(1)...5 { log.signIn(number.isMultiple(of: 2) ? "ada" : "root", session: 9 - number) }
    log.refresh(8, presented: 1, successor: 2)
    for number in UInt64(1)...3 { log.apply(.createAPIKey(.sample(number, of: "ada"))) }
    for number in UInt64(1)...3 { log.apply(.publishSigningKey(.sample(number, of: number))) }
    for key: ValueKey in ["b", "a", "c/d"] { log.apply(.put(key, "value of \(key)")) }
    log.apply(.put("a", "2", if: .ifNoneMatchAny))
    log.apply(.revokeSession(SessionID(high: 1, low: 1)))
    return log
}

@Test("a snapshot holds everything: the state, the position, the clock and the remembered replies")
func snapshotRoundTrip() throws {
    let log = furnished()
    let bytes = AuthoritySnapshot.encode(log.state)
    var copy = log
    copy.state = try AuthoritySnapshot.decode(bytes)
    #expect(AuthoritySnapshot.encode(copy.state) == bytes)
    #expect(copy.holdsSame(as: log))
    #expect(copy.state.clients == log.state.clients)
    #expect(copy.state.appliedIndex == log.index)
    #expect(copy.state.clock == log.state.clock)
}

@Test("an empty state is a snapshot too")
func emptySnapshot() throws {
    let bytes = AuthoritySnapshot.encode(AuthorityState())
    #expect(try AuthoritySnapshot.decode(bytes).digest() == AuthorityState().digest())
}

@Test("a retry after the snapshot is still answered as before it")
func repliesSurvive() throws {
    var log = TestLog.started()
    let entry = log.envelope(.put("a", "1"), sequence: 3)
    let first = log.applyEnvelope(entry)
    log.state = try AuthoritySnapshot.decode(AuthoritySnapshot.encode(log.state))
    let again = log.applyEnvelope(entry)
    #expect(again.isRepeat && again.reply == first.reply)
}

@Test("a lost refresh is still answered with the same successor after the snapshot")
func exchangeSurvives() throws {
    var log = TestLog.started()
    log.signIn("root", session: 1)
    log.refresh(1, presented: 1, successor: 2)
    log.state = try AuthoritySnapshot.decode(AuthoritySnapshot.encode(log.state))
    #expect(log.refresh(1, presented: 1, successor: 3).sealedSuccessor == [2, 2])
}

@Test("a forgotten origin stays refused after the snapshot")
func forgottenSurvives() throws {
    var limits = AuthorityLimits()
    limits.clients = 1
    var log = TestLog.started(limits: limits)
    let entry = log.envelope(.put("a", "1"), sequence: 3)
    log.client = 0xB
    log.bornAt = log.index
    log.apply(.put("b", "1"))
    log.state = try AuthoritySnapshot.decode(AuthoritySnapshot.encode(log.state), limits: limits)
    #expect(log.applyEnvelope(entry).reply == .refused(.clientExpired))
}

@Test("a snapshot cut anywhere, or with a byte too many, is refused")
func snapshotTruncation() {
    let bytes = AuthoritySnapshot.encode(furnished().state)
    for length in 0..<bytes.count {
        #expect(throws: DecodeError.self) { try AuthoritySnapshot.decode(Array(bytes[..<length])) }
    }
    #expect(throws: DecodeError.trailingBytes) { try AuthoritySnapshot.decode(bytes + [0]) }
}

@Test("a damaged snapshot never traps: it is refused, or is one that can be worked with")
func snapshotNoise() {
    let bytes = AuthoritySnapshot.encode(furnished().state)
    var random = SeededRandom(seed: 3)
    for _ in 0..<3_000 {
        var damaged = bytes
        for _ in 0...random.below(3) { damaged[random.below(damaged.count)] = UInt8(random.below(256)) }
        guard let state = try? AuthoritySnapshot.decode(damaged) else { continue }
        guard state.appliedIndex < LogIndex(.max) else { continue }
        var log = TestLog()
        log.state = state
        log.index = state.appliedIndex
        log.client = 0xA
        log.sequence = 1_000
        log.time = LogTime(milliseconds: 1 << 40)
        log.apply(.expireSessions)
        log.refresh(8, presented: 2, successor: 3)
    }
}

@Test("a snapshot whose parts contradict each other is refused")
func contradiction() {
    var log = TestLog.started()
    log.apply(.createUser(name: "ada", verifier: .sample, role: .user))
    log.signIn("ada", session: 1)
    let bytes = AuthoritySnapshot.encode(log.state)
    // The session's user becomes one who does not exist.
    var damaged = bytes
    let places = damaged.indices.dropLast(3).filter { Array(damaged[$0...($0 + 3)]) == [3] + Array("ada".utf8) }
    damaged[places[1] + 3] = UInt8(ascii: "b")
    #expect(throws: DecodeError.invalid("sessions of adb, who does not exist")) {
        try AuthoritySnapshot.decode(damaged)
    }
    #expect(throws: DecodeError.invalid("snapshot version")) {
        try AuthoritySnapshot.decode([5] + bytes.dropFirst())
    }
}

@Test("a snapshot with numbers that arithmetic could not bear is refused")
func unbearableNumbers() {
    var log = TestLog.started()
    log.wait(.milliseconds(0x0123_4567_89AB))
    log.signIn("root", session: 1)
    log.applyEnvelope(log.envelope(.refresh(1, presented: 1, successor: 2), sequence: .max - 1))
    let bytes = AuthoritySnapshot.encode(log.state)

    func refusal(replacing old: [UInt8], at occurrence: Int, by new: [UInt8]) -> DecodeError? {
        let places = bytes.indices.dropLast(old.count - 1).filter { bytes[$0..<$0 + old.count].elementsEqual(old) }
        var damaged = bytes
        damaged.replaceSubrange(places[occurrence]..<places[occurrence] + old.count, with: new)
        do throws(DecodeError) {
            _ = try AuthoritySnapshot.decode(damaged)
            return nil
        } catch {
            return error
        }
    }
    // The remembered sequence becomes the highest there is: nothing could be forgotten below its successor.
    let tail = Array(repeating: UInt8(0xFF), count: 8) + [1]
    #expect(
        refusal(replacing: [0xFE] + tail, at: 0, by: [0xFF] + tail)
            == .invalid("client 10 remembers out of order, or below its floor 1"))
    // The exchange becomes as old as can be: its age would overflow. The first occurrence is the clock's own.
    let time: [UInt8] = [0xAB, 0x89, 0x67, 0x45, 0x23, 0x01, 0, 0]
    #expect(
        refusal(replacing: time, at: 1, by: [0, 0, 0, 0, 0, 0, 0, 0x80])
            == .invalid("a session's times are not in order, or are later than entry 4"))
}
