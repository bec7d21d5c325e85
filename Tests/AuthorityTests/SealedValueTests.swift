import Authority
import Primitives
import Testing

/// To the state sealed values are bytes like others, with the epoch of their key.
@Suite("Sealed values")
struct SealedValueTests {
    private func log(level: FeatureLevel = .current, limits: AuthorityLimits = .standard) -> TestLog {
        var log = TestLog.started(limits: limits)
        log.state.raise(to: level)
        log.origin = TestRoster.origin
        return log
    }

    private func sealed(_ byte: UInt8, count: Int = 3) -> [UInt8] {
        Array(repeating: byte, count: count + StoredValue.sealBytes)
    }

    private func put(
        _ key: ValueKey, _ bytes: [UInt8], epoch: UInt32 = 1, if condition: ValueCondition = .none
    ) -> AuthorityCommand {
        .putSealedValue(key: key, epoch: epoch, sealed: bytes, condition: condition, author: "root")
    }

    /// With the secret of this epoch in use.
    private func rotate(_ log: inout TestLog, to epoch: UInt32) {
        let revision = log.state.roster.revision
        log.apply(.changeRoster(TestRoster.signed(TestRoster.rotation(epoch), revision: revision)))
        #expect(log.apply(.activateSecret(epoch: epoch)) == .done)
    }

    @Test("a sealed value is stored with its epoch and author; a listing tells the length of what is inside")
    func stored() throws {
        var log = log()
        #expect(log.apply(put("a", sealed(1))) == .stored(revision: log.index, created: true))
        let value = try #require(log.state.values["a"])
        #expect(value.epoch == 1 && value.bytes == sealed(1) && value.byteCount == 3 && value.author == "root")
        #expect(log.state.values.epochs == [1] && log.state.values.sealedCount == 1)
        log.apply(.put("b", "clear"))
        #expect(log.state.values["b"]?.epoch == 0 && log.state.values.count(under: 0) == 1)
        #expect(log.state.values.bytesTotal == 1 + 3 + 1 + 5, "what fits does not depend on seals")
        log.apply(.put("a", "clear again"))
        #expect(log.state.values.epochs == [] && log.state.values.count(under: 0) == 2)
        #expect(log.apply(.deleteValue(key: "a", condition: .none)) == .done)
        #expect(log.state.values.count(under: 0) == 1)
    }

    @Test("conditions and locks count for sealed values as for others")
    func conditions() {
        var log = log()
        log.apply(put("a", sealed(1)))
        let revision = log.index
        for condition in [ValueCondition.ifNoneMatchAny, .ifMatch(LogIndex(1))] {
            let reply = log.apply(put("a", sealed(2), if: condition))
            #expect(reply == .refused(.conditionFailed(current: revision)))
        }
        let stale = ValueCondition.ifHolding("gpu", token: LogIndex(1))
        #expect(log.apply(put("a", sealed(2), if: stale)) == .refused(.notHolding))
        #expect(log.state.values["a"]?.bytes == sealed(1))
        #expect(log.apply(put("a", sealed(2), if: .ifMatch(revision))) == .stored(revision: log.index, created: false))
    }

    @Test("only what is sealed under the active epoch is taken: neither one that is on its way out, nor one to come")
    func activeEpoch() {
        var log = log()
        log.apply(put("a", sealed(1)))
        rotate(&log, to: 2)
        for epoch in [0, 1, 3] as [UInt32] {
            #expect(log.apply(put("a", sealed(2), epoch: epoch)) == .refused(.epochNotActive), "\(epoch)")
            let reseal = AuthorityCommand.resealValue(
                key: "a", revision: LogIndex(3), epoch: epoch, sealed: sealed(3))
            #expect(log.apply(reseal) == .refused(.epochNotActive), "\(epoch)")
        }
        #expect(log.state.values["a"]?.bytes == sealed(1))
        #expect(log.apply(put("a", sealed(2), epoch: 2)) == .stored(revision: log.index, created: false))
    }

    @Test("a value that is sealed anew keeps revision, author and time; one that was changed meanwhile is left alone")
    func reseal() throws {
        var log = log()
        log.apply(put("a", sealed(1)))
        let before = try #require(log.state.values["a"])
        rotate(&log, to: 2)
        log.wait(.seconds(5))
        func reseal(_ revision: LogIndex, _ bytes: [UInt8], key: ValueKey = "a") -> AuthorityCommand {
            .resealValue(key: key, revision: revision, epoch: 2, sealed: bytes)
        }
        #expect(
            log.apply(reseal(before.revision.next, sealed(2)))
                == .refused(.conditionFailed(current: before.revision)))
        #expect(log.apply(reseal(before.revision, sealed(2), key: "b")) == .refused(.conditionFailed(current: nil)))
        #expect(log.apply(reseal(before.revision, sealed(2, count: 4))) == .refused(.malformed), "another length")
        #expect(log.state.values["a"] == before)
        #expect(log.apply(reseal(before.revision, sealed(2))) == .done)
        let after = try #require(log.state.values["a"])
        #expect(after.bytes == sealed(2) && after.epoch == 2 && log.state.values.epochs == [2])
        #expect(
            after.revision == before.revision && after.author == before.author && after.changedAt == before.changedAt)
        #expect(log.apply(reseal(before.revision, sealed(3))) == .refused(.malformed), "once is enough")
        log.apply(.put("c", "abc"))
        #expect(log.apply(reseal(log.index, sealed(4), key: "c")) == .done, "what was clear is sealed")
        #expect(log.state.values.keys(notUnder: 2) == [] && log.state.values.keys(notUnder: 1) == ["a", "c"])
    }

    @Test("a repeated command is one change, and is answered as the first time")
    func repeated() {
        var log = log()
        let envelope = log.envelope(put("a", sealed(1), if: .ifNoneMatchAny), sequence: 50)
        let first = log.applyEnvelope(envelope)
        let again = log.applyEnvelope(envelope)
        #expect(again.isRepeat && again.reply == first.reply)
    }

    @Test("the limit is that of the value inside; what is too short to be sealed is malformed")
    func limits() {
        var limits = AuthorityLimits.standard
        limits.valueBytes = 8
        limits.valueBytesTotal = 20
        var log = log(limits: limits)
        #expect(log.apply(put("a", sealed(1, count: 9))) == .refused(.tooLarge))
        #expect(log.apply(put("a", Array(sealed(1, count: 0).dropLast()))) == .refused(.malformed))
        #expect(log.apply(put("a", sealed(1, count: 0))) == .stored(revision: log.index, created: true))
        #expect(log.apply(put("b", sealed(1, count: 8))) == .stored(revision: log.index, created: true))
        #expect(log.apply(put("c", sealed(1, count: 8))) == .stored(revision: log.index, created: true))
        #expect(log.apply(put("d", sealed(1, count: 8))) == .refused(.limitReached))
    }

    @Test("below the level they are what they are to a program that does not know them: nothing")
    func level() {
        var log = log(level: .coreWords)
        let before = log.state
        let reseal = AuthorityCommand.resealValue(key: "a", revision: .zero, epoch: 1, sealed: sealed(1))
        #expect(log.apply(put("a", sealed(1))) == .refused(.malformed))
        #expect(log.apply(reseal) == .refused(.malformed))
        let record = TestRoster.rotation(2, withDataKey: true)
        #expect(
            log.apply(.changeRoster(TestRoster.signed(record, revision: 0))) == .refused(.malformed),
            "a rotation with a data key")
        #expect(log.state.values == before.values && log.state.roster == before.roster)
        log.apply(.changeRoster(TestRoster.signed(TestRoster.rotation(2), revision: 0)))
        #expect(log.state.roster.secrets.newest == 2, "one without is as it was")
    }

    @Test("a snapshot keeps the epochs; without sealed values it is what older programs read")
    func snapshot() throws {
        var log = log()
        log.apply(.put("clear", "x"))
        let older = AuthoritySnapshot.encode(log.state)
        #expect(older[0] == 1)
        log.apply(put("b", sealed(1)))
        rotate(&log, to: 2)
        log.apply(put("a", sealed(2), epoch: 2))
        let bytes = AuthoritySnapshot.encode(log.state)
        #expect(bytes[0] == 4)
        let read = try AuthoritySnapshot.decode(bytes)
        #expect(read.values == log.state.values && AuthoritySnapshot.encode(read) == bytes)
        #expect(read.values["a"]?.epoch == 2 && read.values["b"]?.epoch == 1 && read.values["clear"]?.epoch == 0)
        for length in 0..<bytes.count {
            #expect(throws: DecodeError.self) { try AuthoritySnapshot.decode(Array(bytes[..<length])) }
        }
        // An epoch where there is no room for a seal.
        var damaged = bytes
        damaged[bytes.count - 4] = 9
        #expect(throws: DecodeError.invalid("sealed value")) { try AuthoritySnapshot.decode(damaged) }
    }

    @Test("a rotation keeps its data key in the state, for who comes late, and in snapshots")
    func rotation() throws {
        var log = log()
        let record = TestRoster.rotation(2, withDataKey: true)
        #expect(log.apply(.changeRoster(TestRoster.signed(record, revision: 0))) == .done)
        let rotation = try #require(log.state.roster.secrets.rotation)
        #expect(rotation.dataKey?.copy(for: TestRoster.bob)?.sealed == [5] && rotation.dataKey?.older == [6, 7])
        #expect(rotation.dataKey?.copy(for: TestRoster.edge) == nil)
        #expect(try RosterTable(decoding: log.state.roster.encoded()) == log.state.roster)
        #expect(try AuthoritySnapshot.decode(AuthoritySnapshot.encode(log.state)).roster == log.state.roster)
        let empty = SecretRotation(
            epoch: 3, fingerprint: .sample(3), copies: rotation.copies, dataKey: DataKeyRotation(copies: [], older: []))
        #expect(
            log.apply(.changeRoster(TestRoster.signed(.rotateSecret(empty), revision: 1))) == .refused(.malformed),
            "a data key that nobody has")
    }
}
