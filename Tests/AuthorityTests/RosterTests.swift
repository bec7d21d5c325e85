import Authority
import Primitives
import Testing

/// A mesh of two core nodes and one edge node; a signature is the message itself, cut, after the key.
enum TestRoster {
    static let cluster: [UInt8] = Array(repeating: 0xC1, count: 16)
    static let (ada, bob, edge) = (NodeID(high: 0, low: 1), NodeID(high: 0, low: 2), NodeID(high: 0, low: 3))

    static func key(of node: NodeID) -> Bytes32 { .sample(UInt8(node.low)) }

    static let origin = MeshOrigin(
        cluster: cluster,
        members: [(ada, "ada", true), (bob, "bob", true), (edge, "edge", false)].map { node, name, isCore in
            RosterMember(
                name: Label(sanitising: name), node: node, exchangeKey: key(of: node), signingKey: key(of: node),
                replica: ReplicaID(node.low), isCore: isCore, rank: 0, mayVote: true, endpoint: nil)
        },
        check: { $0 == sign($1, $2) })

    static func sign(_ message: [UInt8], _ key: [UInt8]) -> [UInt8] {
        var sum = [UInt8](repeating: 0, count: 64)
        for (place, byte) in (key + message).enumerated() { sum[place % 64] = sum[place % 64] &* 31 &+ byte }
        return sum
    }

    static func signed(
        _ record: RosterRecord, revision: UInt64, by signer: NodeID = ada, key: NodeID? = nil,
        cluster: [UInt8] = cluster
    ) -> SignedRecord {
        let message = SignedRecord.message(cluster: cluster, revision: revision, record: record)
        return SignedRecord(
            signer: signer, revision: revision, record: record,
            signature: sign(message, self.key(of: key ?? signer).bytes))
    }

    /// The envelope with a word of `signer`, under the key of `key`.
    static func worded(
        _ envelope: [UInt8], by signer: NodeID, key: NodeID? = nil, cluster: [UInt8] = cluster
    ) -> [UInt8] {
        CoreWord.append(to: envelope, cluster: cluster, signer: signer) {
            sign($0, self.key(of: key ?? signer).bytes)
        }
    }

    static func rotation(_ epoch: UInt32, withDataKey: Bool = false) -> RosterRecord {
        .rotateSecret(
            SecretRotation(
                epoch: epoch, fingerprint: .sample(UInt8(truncatingIfNeeded: epoch)),
                copies: [.init(node: bob, sealed: [1, 2]), .init(node: ada, sealed: [3])],
                dataKey: withDataKey
                    ? DataKeyRotation(
                        copies: [.init(node: bob, sealed: [5]), .init(node: ada, sealed: [4])], older: [6, 7]) : nil))
    }
}

@Suite("Records that a core node signs")
struct RosterTests {
    private func log(level: FeatureLevel = .current) -> TestLog {
        var log = TestLog.started()
        log.state.raise(to: level)
        log.origin = TestRoster.origin
        return log
    }

    @Test("a record counts once, for its revision, under a core node's own signature, in its own mesh")
    func signatures() {
        var log = log()
        let record = TestRoster.rotation(2)
        let refused: [(SignedRecord, Refusal)] = [
            (TestRoster.signed(record, revision: 1), .rosterChanged),
            (TestRoster.signed(record, revision: 0, by: TestRoster.edge), .unsigned),
            (TestRoster.signed(record, revision: 0, by: NodeID(high: 9, low: 9)), .unsigned),
            (TestRoster.signed(record, revision: 0, by: TestRoster.ada, key: TestRoster.edge), .unsigned),
            (TestRoster.signed(record, revision: 0, cluster: Array(repeating: 2, count: 16)), .unsigned),
        ]
        for (signed, refusal) in refused {
            #expect(log.apply(.changeRoster(signed)) == .refused(refusal))
        }
        #expect(log.state.roster.revision == 0)
        let signed = TestRoster.signed(record, revision: 0)
        #expect(log.apply(.changeRoster(signed)) == .done)
        #expect(log.apply(.changeRoster(signed)) == .refused(.rosterChanged), "the same record, in a later entry")
        #expect(log.state.roster.revision == 1)
    }

    @Test("a program that does not know of the level does not know of the record")
    func level() {
        var log = log(level: .locks)
        let signed = TestRoster.signed(TestRoster.rotation(2), revision: 0)
        #expect(log.apply(.changeRoster(signed)) == .refused(.malformed))
        #expect(log.apply(.activateSecret(epoch: 2)) == .refused(.malformed))
        #expect(log.state.roster == RosterTable())
    }

    @Test("install, activate, retire: each step once, in order; a newer rotation takes the place of one not activated")
    func epochs() {
        var log = log()
        func secrets() -> SecretTable { log.state.roster.secrets }
        #expect(log.apply(.activateSecret(epoch: 1)) == .refused(.unknownKey))
        #expect(
            log.apply(.changeRoster(TestRoster.signed(TestRoster.rotation(3), revision: 0))) == .refused(.malformed),
            "an epoch was left out")
        log.apply(.changeRoster(TestRoster.signed(TestRoster.rotation(2), revision: 0)))
        #expect(secrets().isInstalling && !secrets().isRetiring && secrets().active == 1)
        #expect(log.apply(.retireSecrets(before: 2)) == .refused(.unknownKey))
        log.apply(.changeRoster(TestRoster.signed(TestRoster.rotation(3), revision: 1)))
        #expect(log.apply(.activateSecret(epoch: 2)) == .refused(.unknownKey))
        #expect(log.apply(.activateSecret(epoch: 3)) == .done)
        #expect(secrets().isRetiring && secrets().active == 3 && secrets().oldest == 1)
        #expect(log.apply(.retireSecrets(before: 3)) == .done)
        #expect(log.apply(.retireSecrets(before: 3)) == .refused(.unknownKey))
        #expect(!secrets().isRetiring && secrets().rotation?.copy(for: TestRoster.bob)?.sealed == [1, 2])
    }

    @Test("a snapshot keeps the roster; one without changes is as older programs write and read it")
    func snapshots() throws {
        var log = log()
        #expect(AuthoritySnapshot.encode(log.state)[0] == 1)
        log.apply(.changeRoster(TestRoster.signed(TestRoster.rotation(2), revision: 0)))
        log.apply(.activateSecret(epoch: 2))
        let bytes = AuthoritySnapshot.encode(log.state)
        let read = try AuthoritySnapshot.decode(bytes)
        #expect(bytes[0] == 2 && read.roster == log.state.roster && AuthoritySnapshot.encode(read) == bytes)
        for length in 0..<bytes.count {
            #expect(throws: DecodeError.self) { try AuthoritySnapshot.decode(Array(bytes[..<length])) }
        }
    }
}
