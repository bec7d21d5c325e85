import Authority
import Gossip
import NodeCore
import Primitives
import Raft
import Routing
import SecureChannel

/// Whole messages and files, as they are written, for `DecoderFuzzTests` to damage.
enum DecoderSamples {
    static let node = NodeID(high: 0x0102_0304, low: 0x0506_0708)
    static let place = Endpoint(ipv4: 10, 0, 0, 7, port: 7946)
    static let secret = SecretBytes(copying: Array(repeating: 0x5E, count: 32))

    /// Shapes that broke decoders elsewhere: lengths beyond the end, endless counts, varints that overflow, nothing at all.
    static let corpus: [[UInt8]] = [
        [], [0], [0xFF], Array(repeating: 0xFF, count: 10), Array(repeating: 0xFF, count: 64),
        [1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], [1] + Array(repeating: 0, count: 40),
        [2, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [3] + Array(repeating: 0x7F, count: 30), [5, 0, 0, 0, 1, 0xFE],
        Array("\u{0}MNJ\u{1}".utf8), Array("\u{0}MNS\u{2}".utf8), Array(0...255),
    ]

    static let rosterTable: [UInt8] = {
        // revision, secrets (1, 1, none), one member, no revocations, no tokens
        var writer = ByteWriter()
        writer.write(UInt64(3))
        writer.write(UInt32(1))
        writer.write(UInt32(1))
        writer.write(false)
        writer.writeVarint(1)
        writer.write("laptop")
        writer.write(node)
        writer.writeRaw([UInt8](repeating: 1, count: 64))
        writer.write(ReplicaID(9))
        writer.write(false)
        writer.write(UInt16(5))
        writer.write(true)
        writer.writeOptional(place) { $0.write($1) }
        writer.writeVarint(0)
        writer.writeVarint(0)
        return writer.bytes
    }()

    static let keyring: [UInt8] = {
        var keyring = Keyring(ClusterKey(id: Array(repeating: 4, count: 16), secret: secret))
        _ = keyring.install(secret, epoch: 2)
        _ = keyring.activate(2)
        return keyring.encodeKeyFile()
    }()

    static let welcome = JoinAnswer.welcome(
        JoinWelcome(
            genesis: Array("{}".utf8), roster: [1, 2, 3], epoch: 4, secret: secret, coreKey: CoreKey(secret),
            dataKeys: nil, contacts: [.init(node: node, name: "aurora", endpoint: place)])
    ).encode()

    static let dataKeys: DataKeys = {
        var keys = DataKeys(cluster: Array(repeating: 4, count: 16))
        for epoch in [1, 2, 7] as [UInt32] { _ = keys.install(secret, epoch: epoch) }
        return keys
    }()

    static let coreWelcome = JoinAnswer.welcome(
        JoinWelcome(
            genesis: Array("{}".utf8), roster: [1, 2, 3], epoch: 4, secret: secret, coreKey: CoreKey(secret),
            dataKeys: dataKeys, contacts: [.init(node: node, name: "aurora", endpoint: place)])
    ).encode()

    /// Signer, revision and signature, as a revoked node is told.
    static let notice = node.bytes + [7, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 9, count: 64)

    /// Everything that three nodes of a simulated kind say to each other while they find each other and elect a leader.
    static let said: (gossip: [[UInt8]], raft: [[UInt8]]) = {
        let other = NodeID(high: 5, low: 6)
        let contacts = [node, other].map { Contact(id: $0, name: "n\($0.low)", endpoint: place) }
        var members = contacts.map { me in
            Membership(
                me: me, bootEpoch: 1, config: GossipConfig(), seeds: contacts,
                notary: Notary(sign: { _ in Array(repeating: 5, count: 64) }, check: { _, _, _ in true }),
                random: SeededRandom(seed: me.id.low), now: .zero)
        }
        members[0].publish(SectionID(value: 2), bytes: [1, 2, 3], now: .zero)
        var payloads: [[UInt8]] = []
        var now = Instant.zero
        for _ in 0..<200 {
            for index in 0...1 {
                var effects: [GossipEffect] = []
                members[index].tick(now: now, into: &effects)
                while !effects.isEmpty {
                    guard case .send(let payload, let to, _) = effects.removeFirst() else { continue }
                    if payloads.count < 400 { payloads.append(payload) }
                    let target = to == node ? 0 : 1
                    var answers: [GossipEffect] = []
                    members[target].handle(
                        payload, from: members[1 - target].id, at: place, now: now, into: &answers)
                    for case .send(let answer, _, _) in answers where payloads.count < 400 { payloads.append(answer) }
                }
            }
            now += .milliseconds(50)
        }
        let position = LogPosition(index: LogIndex(9), term: Term(4))
        let messages: [RaftMessage] = [
            .preVote(.init(term: Term(3), last: position)), .voteReply(.init(term: Term(3), isGranted: false)),
            .append(
                .init(
                    term: Term(5), previous: position,
                    entries: [
                        Entry(
                            index: LogIndex(10), term: Term(5), time: LogTime(milliseconds: 7), kind: .command,
                            payload: [1, 2, 3])
                    ], commitIndex: LogIndex(4), time: LogTime(milliseconds: 77))),
            .appendReply(.init(term: Term(5), outcome: .rejected(previous: LogIndex(7), hint: position))),
            .heartbeatReply(
                .init(
                    term: Term(5), round: 12, stamp: .max, commitIndex: LogIndex(4), last: LogIndex(9),
                    promise: .milliseconds(300), heard: [ReplicaID(1), ReplicaID(2)])),
            .tailReply(.init(term: Term(5), tail: position, readable: LogIndex(8), doubtful: LogIndex(9))),
            .readReply(.init(term: Term(5), ticket: .max, index: LogIndex(4))), .timeoutNow(term: Term(5)),
            .fetch(.init(term: Term(5), last: position, commitIndex: LogIndex(4), stamp: .max)),
            .fetched(
                .init(
                    term: Term(5), leader: .init(ReplicaID(3), heardAgo: .milliseconds(80)), commitIndex: LogIndex(4),
                    time: LogTime(milliseconds: 77), proof: .init(stamp: 12, index: LogIndex(4)))),
        ]
        return (payloads, messages.map { RaftMessage.encode($0) + [1, 0, 0, 0, 0, 0, 0, 0] })
    }()

    static let broadcast = Broadcast(topic: TopicName("news")!, bytes: [1, 2], author: UserName("ada")!)  // both fit

    static let commands: [[UInt8]] = {
        guard let key = ValueKey("k"), let name = UserName("ada"), let topic = TopicName("log/a") else { return corpus }
        let record = SignedRecord(
            signer: node, revision: 7, record: .revoke(NodeID(high: 8, low: 9)),
            signature: Array(repeating: 3, count: SignedRecord.signatureByteCount))
        let copies = [SecretRotation.Copy(node: node, sealed: [1, 2, 3])]
        let rotation = SignedRecord(
            signer: node, revision: 7,
            record: .rotateSecret(
                SecretRotation(
                    epoch: 2, fingerprint: Bytes32(Array(repeating: 2, count: 32))!,  // of that length
                    copies: copies, dataKey: DataKeyRotation(copies: copies, older: [4, 5]))),
            signature: Array(repeating: 3, count: SignedRecord.signatureByteCount))
        let commands: [AuthorityCommand] = [
            .putValue(key: key, value: [1, 2, 3], condition: .none, author: name), .expireSessions,
            .revokeAllSessions(of: name, except: SessionID(high: 1, low: 1)), .changeRoster(record),
            .anchorClock(UnixTime(milliseconds: 1_735_689_600_000)), .activateSecret(epoch: 2),
            .publishEvent(topic: topic, bytes: [1, 2, 3], author: name),
            .putSealedValue(key: key, epoch: 2, sealed: [1, 2, 3], condition: .none, author: name),
            .resealValue(key: key, revision: LogIndex(9), epoch: 2, sealed: [1, 2, 3]), .changeRoster(rotation),
        ]
        return commands.map {
            CommandEnvelope(
                client: 1, bornAt: LogIndex(3), sequence: 4, lowestUnacknowledged: 2, command: $0
            ).encode()
        }
    }()

    static let report: [[UInt8]] = HealthReport(
        vitals: Vitals(
            cpuLoad: 0.5, cores: 8, memoryUsedBytes: 1, memoryTotalBytes: 2, uptimeSeconds: 3,
            gpus: [
                GPUReport(name: "gpu", load: 0.9, memoryUsedBytes: 1, memoryTotalBytes: 2, source: .nvml)
            ]),
        load: Load(
            clockMilliseconds: 5, isAcceptingWork: true, errorRate: 0.01,
            backends: [
                BackendReport(
                    name: "b", kind: .openai, isHealthy: true, slots: 4, running: 1, queued: 0, queuedTokens: 0,
                    admitted: 9, slowdown: 100, server: 7)
            ]),
        catalogs: Catalog.makePages(
            [
                ModelReport(
                    name: "library/model:8b", backend: 0, pool: .embedding, isLoaded: true, sizeBytes: 4_900_000_000,
                    parametersMillions: 8030, family: "llama", contextTokens: 131_072, prefillTokensPerSecond: 5120,
                    decodeTokensPerSecond: 112, loadSeconds: 3.5)
            ].compactMap { $0 })
    ).encodeSections().filter { !$0.isEmpty }
}
