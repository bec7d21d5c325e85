import Authority
import Gossip
import NodeCore
import Primitives
import Raft
import Routing
import SecureChannel
import Testing

/// One way in for bytes from a peer or from the disk.
struct FuzzedDecoder: Sendable, CustomTestStringConvertible {
    let name: String
    /// The file below Sources that it stands in. `DecoderCensusTests` counts them.
    let file: String
    let samples: [[UInt8]]
    /// The bytes of what was decoded; nil where they are not written again.
    let roundTrip: @Sendable ([UInt8]) throws -> [UInt8]?
    var testDescription: String { name }
}

extension FuzzedDecoder {
    typealias Samples = DecoderSamples

    static let all = gossip + consensus + authority + brain + health + files + channel

    static let gossip = [
        FuzzedDecoder(
            name: "gossip", file: "Gossip/Message+Coding.swift", samples: Samples.said.gossip
        ) { try Message.decode($0).encoded() }
    ]

    static let consensus = [
        FuzzedDecoder(name: "consensus", file: "NodeCore/NodeBrain+Sending.swift", samples: Samples.said.raft) {
            _ = try NodeBrain.decodeRaft($0)
            return nil
        },
        FuzzedDecoder(name: "Raft message", file: "Raft/RaftMessage+Coding.swift", samples: Samples.said.raft) {
            let end = max(0, $0.count - 8)
            return RaftMessage.encode(try RaftMessage.decode($0, before: end)) + $0[end...]
        },
        FuzzedDecoder(
            name: "configuration", file: "Raft/Configuration.swift",
            samples: [
                Configuration(
                    voters: [ReplicaID(1), ReplicaID(2)], learners: [ReplicaID(3)],
                    bindings: [1, 2, 3].map { .init(replica: ReplicaID($0), node: NodeID(high: 0, low: $0)) },
                    featureLevel: FeatureLevel(3)
                ).encode()
            ]
        ) { try Configuration.decode($0).encode() },
    ]

    static let authority = [
        FuzzedDecoder(name: "command", file: "Authority/CommandEnvelope.swift", samples: Samples.commands) {
            try CommandEnvelope(decoding: $0).encode()
        },
        FuzzedDecoder(
            name: "snapshot", file: "Authority/AuthoritySnapshot.swift",
            samples: [AuthoritySnapshot.encode(AuthorityState())] + Samples.corpus
        ) { AuthoritySnapshot.encode(try AuthoritySnapshot.decode($0)) },
        FuzzedDecoder(name: "roster", file: "Authority/RosterTable.swift", samples: [Samples.rosterTable]) {
            try RosterTable(decoding: $0).encoded()
        },
        FuzzedDecoder(name: "notice", file: "Authority/RosterTable.swift", samples: [Samples.notice]) {
            try Revocation(notice: $0, of: Samples.node).notice
        },
    ]

    static let brain = [
        FuzzedDecoder(
            name: "peer message", file: "NodeCore/PeerMessage.swift",
            samples: [
                PeerMessage.forward([.init(attempt: 300, envelope: [1, 2, 3]), .init(attempt: 1, envelope: [])]),
                .refusal(attempt: .max), .removal(of: Samples.node), .removed(Samples.node),
                .broadcast(Samples.broadcast),
            ].map { $0.encode() }
        ) { try PeerMessage(decoding: $0).encode() },
        FuzzedDecoder(
            name: "replica notice", file: "NodeCore/ReplicaNotice.swift",
            samples: [nil, LogTime(milliseconds: 5)].map {
                ReplicaNotice(replica: ReplicaID(7), featureLevel: FeatureLevel(3), bootedAt: $0).encode()
            }
        ) { try ReplicaNotice(decoding: $0).encode() },
        FuzzedDecoder(
            name: "standing", file: "NodeCore/NodeBrain+Keys.swift",
            samples: [ChannelStanding(held: 3, active: 2, revision: 9).encode()]
        ) { try ChannelStanding(decoding: $0).encode() },
        FuzzedDecoder(
            name: "revocations", file: "NodeCore/RevocationNews.swift",
            samples: [[2] + Samples.node.bytes + Samples.notice + NodeID(high: 1, low: 1).bytes + Samples.notice]
        ) { try RevocationNews(decoding: $0).encode() },
        FuzzedDecoder(
            name: "clock", file: "NodeCore/ClockNotice.swift", samples: [[0, 1, 2, 3, 4, 5, 6, 0]]
        ) { try ClockNotice(decoding: $0).encode() },
        FuzzedDecoder(
            name: "descriptor", file: "NodeCore/NodeDescriptor.swift",
            samples: [
                NodeDescriptor(
                    http: Samples.place, trustClass: .edge, rank: 12, version: "0.1.0",
                    verificationKey: Array(repeating: 6, count: 32), servesTLS: true
                ).encode()
            ]
        ) { try NodeDescriptor(decoding: $0).encode() },
        FuzzedDecoder(
            name: "join request", file: "NodeCore/JoinMessages.swift",
            samples: [
                JoinRequest(
                    name: "laptop", replica: ReplicaID(7), signingKey: Array(repeating: 3, count: 32),
                    endpoint: Samples.place
                ).encode(signature: Array(repeating: 8, count: 64))
            ]
        ) {
            let (request, signature) = try JoinRequest.decode($0)
            return request.encode(signature: signature)
        },
        FuzzedDecoder(
            name: "join answer", file: "NodeCore/JoinMessages.swift",
            samples: [Samples.welcome, Samples.coreWelcome, JoinAnswer.refused("used").encode()]
        ) { try JoinAnswer(decoding: $0).encode() },
    ]

    static let health = [
        FuzzedDecoder(name: "vitals", file: "Routing/HealthReport+Coding.swift", samples: Samples.report) {
            try Vitals(decoding: $0).encode()
        },
        FuzzedDecoder(name: "load", file: "Routing/HealthReport+Coding.swift", samples: Samples.report) {
            try Load(decoding: $0).encode()
        },
        FuzzedDecoder(name: "catalogue", file: "Routing/HealthReport+Coding.swift", samples: Samples.report) {
            try Catalog(decoding: $0).encode()
        },
        FuzzedDecoder(name: "health report", file: "Routing/HealthReport.swift", samples: Samples.report) {
            _ = try HealthReport(decodingSections: [$0, $0, $0])
            return nil
        },
    ]

    static let files: [FuzzedDecoder] = {
        var entropy = SodiumEntropy()
        let identity = Identity.generate(from: &entropy).encodeKeyFile()
        let cluster = ClusterKey.generate(from: &entropy).encodeKeyFile()
        let coreKey = CoreKey.generate(from: &entropy).encodeKeyFile()
        return [
            FuzzedDecoder(name: "identity", file: "SecureChannel/Identity.swift", samples: [identity]) {
                try Identity(keyFile: $0).encodeKeyFile()
            },
            FuzzedDecoder(name: "cluster key", file: "SecureChannel/ClusterKey.swift", samples: [cluster]) {
                try ClusterKey(keyFile: $0).encodeKeyFile()
            },
            FuzzedDecoder(name: "core key", file: "SecureChannel/CoreKey.swift", samples: [coreKey]) {
                try CoreKey(keyFile: $0).encodeKeyFile()
            },
            FuzzedDecoder(
                name: "data keys", file: "SecureChannel/DataKeys.swift", samples: [Samples.dataKeys.encodeKeyFile()]
            ) { try DataKeys(keyFile: $0).encodeKeyFile() },
            FuzzedDecoder(name: "secrets' file", file: "SecureChannel/Keyring.swift", samples: [Samples.keyring]) {
                try Keyring(keyFile: $0).encodeKeyFile()
            },
            FuzzedDecoder(
                name: "checked file", file: "SecureChannel/CheckedFile.swift",
                samples: [CheckedFile.encode(kind: "test", [1, 2, 3])]
            ) { CheckedFile.encode(kind: "test", try CheckedFile.decode(kind: "test", $0)) },
        ]
    }()

    /// What meets bytes before anybody is known to have sent them.
    static let channel = [
        FuzzedDecoder(
            name: "join channel", file: "SecureChannel/JoinChannel.swift",
            samples: [JoinChannel.magic + Array(repeating: 7, count: 128)] + Samples.corpus
        ) {
            var entropy = SodiumEntropy()
            let pair = ExchangeKeyPair.generate(from: &entropy)
            var channel = JoinChannel(responder: pair, cluster: Array(repeating: 4, count: 16), entropy: &entropy)
            _ = try channel.receive($0) { _ in Samples.secret }
            return nil
        },
        FuzzedDecoder(
            name: "sealed secret", file: "SecureChannel/SealedSecret.swift",
            samples: [Array(repeating: 7, count: 80)] + Samples.corpus
        ) {
            var entropy = SodiumEntropy()
            let pair = ExchangeKeyPair.generate(from: &entropy)
            #expect(SealedSecret.open($0, with: pair, context: [1]) == nil)
            return nil
        },
    ]
}
