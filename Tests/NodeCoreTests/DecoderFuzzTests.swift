import Authority
import Gossip
import NodeCore
import Primitives
import Raft
import Routing
import SecureChannel
import Testing

/// Bytes from outside, changed at random: a decoder takes them or throws, and never traps. What it takes it must write the
/// same way again, or two nodes would read one message differently.
///
/// Seeds make it repeatable; a finding is kept in `corpus` and played first for ever after.
@Suite("Decoders under mutated bytes")
struct DecoderFuzzTests {
    struct Decoder: Sendable, CustomTestStringConvertible {
        let name: String
        let samples: [[UInt8]]
        /// The bytes of what was decoded; nil where they are not written again.
        let roundTrip: @Sendable ([UInt8]) throws -> [UInt8]?
        var testDescription: String { name }
    }

    private static let node = NodeID(high: 0x0102_0304, low: 0x0506_0708)
    private static let place = Endpoint(ipv4: 10, 0, 0, 7, port: 7946)
    private static let secret = SecretBytes(copying: Array(repeating: 0x5E, count: 32))

    private static let table: [UInt8] = {
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

    private static let keyring: [UInt8] = {
        var keyring = Keyring(ClusterKey(id: Array(repeating: 4, count: 16), secret: secret))
        _ = keyring.install(secret, epoch: 2)
        _ = keyring.activate(2)
        return keyring.encodeKeyFile()
    }()

    private static let welcome = JoinAnswer.welcome(
        JoinWelcome(
            genesis: Array("{}".utf8), roster: [1, 2, 3], epoch: 4, secret: secret,
            contacts: [.init(node: node, name: "aurora", endpoint: place)])
    ).encode()

    static let decoders: [Decoder] = [
        Decoder(name: "roster", samples: [table]) { try RosterTable(decoding: $0).encoded() },
        Decoder(
            name: "join request",
            samples: [
                JoinRequest(
                    name: "laptop", replica: ReplicaID(7), signingKey: Array(repeating: 3, count: 32), endpoint: place
                ).encode(signature: Array(repeating: 8, count: 64))
            ]
        ) {
            let (request, signature) = try JoinRequest.decode($0)
            return request.encode(signature: signature)
        },
        Decoder(name: "join answer", samples: [welcome, JoinAnswer.refused("used").encode()]) {
            try JoinAnswer(decoding: $0).encode()
        },
        Decoder(name: "secrets' file", samples: [keyring]) { try Keyring(keyFile: $0).encodeKeyFile() },
        Decoder(name: "checked file", samples: [CheckedFile.encode(kind: "test", [1, 2, 3])]) {
            CheckedFile.encode(kind: "test", try CheckedFile.decode(kind: "test", $0))
        },
        Decoder(
            name: "descriptor",
            samples: [
                NodeDescriptor(
                    http: place, trustClass: .edge, rank: 12, version: "0.1.0",
                    verificationKey: Array(repeating: 6, count: 32), servesTLS: true
                ).encode()
            ]
        ) { try NodeDescriptor(decoding: $0).encode() },
        Decoder(
            name: "configuration",
            samples: [
                Configuration(
                    voters: [ReplicaID(1), ReplicaID(2)], learners: [ReplicaID(3)],
                    bindings: [1, 2, 3].map { .init(replica: ReplicaID($0), node: NodeID(high: 0, low: $0)) },
                    featureLevel: FeatureLevel(3)
                ).encode()
            ]
        ) { try Configuration.decode($0).encode() },
        Decoder(name: "gossip", samples: corpus) { try Message.decode($0).encoded() },
        Decoder(name: "consensus", samples: corpus) {
            _ = try NodeBrain.decodeRaft($0)
            return nil
        },
        Decoder(name: "command", samples: corpus) {
            _ = try CommandEnvelope(decoding: $0)
            return nil
        },
        Decoder(name: "snapshot", samples: [AuthoritySnapshot.encode(AuthorityState())] + corpus) {
            _ = try AuthoritySnapshot.decode($0)
            return nil
        },
        Decoder(name: "join channel", samples: [JoinChannel.magic + Array(repeating: 7, count: 128)] + corpus) {
            var entropy = SodiumEntropy()
            let pair = ExchangeKeyPair.generate(from: &entropy)
            var channel = JoinChannel(responder: pair, cluster: Array(repeating: 4, count: 16), entropy: &entropy)
            _ = try channel.receive($0) { _ in secret }
            return nil
        },
    ]

    /// Shapes that broke decoders elsewhere: lengths beyond the end, endless counts, varints that overflow, nothing at all.
    static let corpus: [[UInt8]] = [
        [], [0], [0xFF], Array(repeating: 0xFF, count: 10), Array(repeating: 0xFF, count: 64),
        [1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], [1] + Array(repeating: 0, count: 40),
        [2, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [3] + Array(repeating: 0x7F, count: 30), [5, 0, 0, 0, 1, 0xFE],
        Array("\u{0}MNJ\u{1}".utf8), Array("\u{0}MNS\u{2}".utf8), Array(0...255),
    ]

    @Test("what is taken is written the same way again; nothing traps", arguments: decoders)
    func mutated(decoder: Decoder) throws {
        var random = SeededRandom(seed: 0xF022)
        for sample in decoder.samples { try check(sample, decoder) }
        let samples = decoder.samples.isEmpty ? Self.corpus : decoder.samples
        for _ in 0..<20_000 {
            var bytes = random.element(of: samples) ?? []
            for _ in 0...random.below(3) { mutate(&bytes, &random, samples) }
            try check(bytes, decoder)
        }
    }

    private func check(_ bytes: [UInt8], _ decoder: Decoder) throws {
        guard let again = try? decoder.roundTrip(bytes) else { return }
        // What was read need not have been written by us; what we write we must read as the same.
        let third = try decoder.roundTrip(again)
        #expect(third == again, "\(decoder.name): \(Hex.encode(bytes))")
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom, _ samples: [[UInt8]]) {
        switch random.below(7) {
        case 0, 1:
            guard !bytes.isEmpty else {
                bytes = random.bytes(1 + random.below(8))
                return
            }
            bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
        case 2: bytes = Array(bytes.prefix(random.below(bytes.count + 1)))
        case 3: bytes += random.bytes(1 + random.below(16))
        case 4: bytes.insert(contentsOf: random.bytes(1 + random.below(4)), at: random.below(bytes.count + 1))
        case 5:
            guard !bytes.isEmpty else { return }
            bytes[random.below(bytes.count)] = random.element(of: [0, 1, 0x7F, 0x80, 0xFF]) ?? 0
        default:
            let other = random.element(of: samples) ?? []
            let cut = random.below(min(bytes.count, other.count) + 1)
            bytes = Array(bytes.prefix(cut)) + other.dropFirst(cut)
        }
    }

    @Test("a ticket mistyped in any way is refused")
    func tickets() throws {
        let text = JoinTicket(
            id: Array(repeating: 1, count: 16), secret: Self.secret, cluster: Array(repeating: 4, count: 16),
            expiresAtMilliseconds: 1, cores: [.init(exchangeKey: Array(repeating: 2, count: 32), endpoint: Self.place)]
        ).encode()
        var random = SeededRandom(seed: 0xF023)
        for _ in 0..<20_000 {
            var bytes = Array(text.utf8)
            for _ in 0...random.below(3) { mutate(&bytes, &random, [Array(text.utf8)]) }
            let mutated = String(decoding: bytes, as: UTF8.self)
            guard mutated != text else { continue }
            #expect(JoinTicket(mutated) == nil)
        }
    }
}
