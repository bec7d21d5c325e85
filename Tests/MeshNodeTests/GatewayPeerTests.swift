import Authority
import Gossip
import MeshNode
import NIOCore
import NIOPosix
import NodeCore
import Primitives
import SecureChannel
import Synchronization
import Testing

/// Two gateways and a sealed stream between them.
@Suite(.timeLimit(.minutes(1)))
struct GatewayPeerTests {
    /// The client asks `edge`, which has no backend; `core` has one.
    private func withPair(
        _ dialect: Dialect = .openai, slots: Int = 4,
        _ body: (GatewayTestMesh, _ edge: GatewayTestNode, _ core: GatewayTestNode, FakeBackend) async throws -> Void
    ) async throws {
        let mesh = GatewayTestMesh()
        let backend = try await FakeBackend.start(dialect)
        let edge = try await GatewayTestNode.start("edge", in: mesh, backends: [])
        let core = try await GatewayTestNode.start(
            "core", in: mesh, backends: [NodeConfig.Backend(backend, slots: slots)])
        try await core.settle()
        try await body(mesh, edge, core, backend)
        try await edge.stop()
        try await core.stop()
        try await backend.stop()
    }

    @Test("a prompt travels to another node and streams back, and the reply says who answered")
    func twoHops() async throws {
        try await withPair { mesh, edge, core, backend in
            for (path, body) in [
                ("/v1/chat/completions", GatewayPromptTests.chatStream),
                ("/v1/chat/completions", GatewayPromptTests.chat),
                ("/api/chat", GatewayPromptTests.chat), ("/api/generate", GatewayPromptTests.generate),
            ] {
                let answer = try await GatewayTestClient.send(
                    "POST", path, port: edge.port, mesh.authorization, body: body)
                #expect(answer.status == 200)
                #expect(answer.fields["x-mesh-node"] == "core")
                #expect(answer.body.contains("Hel") && !answer.body.contains("error"))
            }
            let asked = try #require(backend.prompts.last)
            #expect(!asked.fields.keys.contains { $0.hasPrefix("x-mesh") || $0 == "authorization" })
            try await eventually { core.gateway.backends[0].desk.counts.running == 0 }
        }
    }

    @Test("chunks cross both hops one by one")
    func notCoalesced() async throws {
        try await withPair { mesh, edge, _, backend in
            backend.behaviour = .answer(["a", "b", "c", "d"], pause: .milliseconds(30))
            let answer = try await GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: edge.port, mesh.authorization, body: GatewayPromptTests.chatStream
            )
            let pieces = ["a", "b", "c", "d"].map { FakeReply.piece("/v1/chat/completions", $0) }
            #expect(answer.chunks.prefix(4) == pieces[...])
        }
    }

    @Test("a client that leaves frees the backend two hops away", arguments: [true, false])
    func clientLeaves(streaming: Bool) async throws {
        try await withPair(slots: 1) { mesh, edge, core, backend in
            backend.behaviour =
                streaming ? .answer(Array(repeating: "x", count: 5000), pause: .milliseconds(10)) : .hang
            let request = GatewayTestClient.request(
                "POST", "/v1/chat/completions", mesh.authorization, body: GatewayPromptTests.chatStream)
            try await GatewayTestClient.abandon(request, port: edge.port) {
                try await eventually { backend.answering == 1 }
            }
            try await eventually { backend.cutOff == 1 && core.gateway.backends[0].desk.counts.running == 0 }
        }
    }

    @Test("a session or key that the serving node no longer knows is refused there")
    func revoked() async throws {
        try await withPair { mesh, edge, core, backend in
            let delegation = makeDelegation(mesh, from: edge, to: core)
            mesh.revokeKey()
            #expect(throws: DelegationRefusal.callerRefused) { try accept(delegation, from: edge, at: core) }
        }
    }

    @Test("a caller who is newer than what the serving node has applied is waited for, not refused and not sent on")
    func newCaller() async throws {
        try await withPair { mesh, edge, core, backend in
            mesh.freeze(core.identity.nodeID)
            let fresh = mesh.addKey()
            async let answer = GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: edge.port, ["Authorization": "Bearer \(fresh.text)"],
                body: GatewayPromptTests.chatStream)
            try await Task.sleep(for: .milliseconds(300))
            #expect(backend.prompts.isEmpty, "it is not served before it is known")
            mesh.thaw(core.identity.nodeID)
            #expect(try await answer.status == 200)
            #expect(backend.prompts.count == 1)
            try await eventually { edge.events.withLock { $0.contains { $0.contains(#""attempts":1"#) } } }
        }
    }

    @Test("a serving node that does not catch up says so in time, and a caller who was never known is refused at once")
    func neverKnown() async throws {
        try await withPair { mesh, edge, core, backend in
            let index = mesh.appliedIndex
            mesh.freeze(core.identity.nodeID)
            let fresh = mesh.addKey()
            let header = makeDelegation(mesh, from: edge, to: core, key: fresh, appliedIndex: mesh.appliedIndex)
            #expect(throws: DelegationRefusal.notYetApplied(mesh.appliedIndex)) {
                try accept(header, from: edge, at: core)
            }
            let stranger = makeDelegation(mesh, from: edge, to: core, key: fresh, appliedIndex: index)
            #expect(throws: DelegationRefusal.callerRefused) { try accept(stranger, from: edge, at: core) }
            let answer = try await GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: edge.port, ["Authorization": "Bearer \(fresh.text)"],
                body: GatewayPromptTests.chatStream)
            #expect(answer.status == 502)
            #expect(answer.body.contains("behind the log"))
            #expect(backend.prompts.isEmpty)
        }
    }

    @Test("a delegation counts once, for its target, from its origin, until it expires, and only as it was signed")
    func delegations() async throws {
        try await withPair { mesh, edge, core, _ in
            let good = makeDelegation(mesh, from: edge, to: core)
            #expect(try accept(good, from: edge, at: core).caller.user.text == "ada")
            #expect(throws: DelegationRefusal.replayed) { try accept(good, from: edge, at: core) }
            let other = makeDelegation(mesh, from: edge, to: edge)
            #expect(throws: DelegationRefusal.otherTarget) { try accept(other, from: edge, at: core) }
            #expect(throws: DelegationRefusal.foreignOrigin) {
                try accept(makeDelegation(mesh, from: edge, to: core), from: core, at: core)
            }
            let old = makeDelegation(mesh, from: edge, to: core, expiresAfter: -60_000)
            #expect(throws: DelegationRefusal.expired) { try accept(old, from: edge, at: core) }
            let long = makeDelegation(mesh, from: edge, to: core, expiresAfter: 600_000)
            #expect(throws: DelegationRefusal.expired) { try accept(long, from: edge, at: core) }
            var bytes = try #require(Hex.decode(makeDelegation(mesh, from: edge, to: core)))
            bytes[60] ^= 1
            #expect(throws: DelegationRefusal.forged) { try accept(Hex.encode(bytes), from: edge, at: core) }
            for cut in [0, 1, 40, 63, 64, 100] {
                #expect(throws: DelegationRefusal.self) {
                    try accept(Hex.encode(bytes.prefix(cut)), from: edge, at: core)
                }
            }
        }
    }

    @Test("a delegation changed in any way is refused, and no bytes in its place do harm")
    func mutatedDelegations() async throws {
        try await withPair { mesh, edge, core, _ in
            let good = try #require(Hex.decode(makeDelegation(mesh, from: edge, to: core)))
            var random = SeededRandom(seed: 0xDE1E)
            for _ in 0..<5_000 {
                var bytes = good
                switch random.below(4) {
                case 0: bytes = Array(bytes.prefix(random.below(bytes.count)))
                case 1: bytes.insert(UInt8(random.below(256)), at: random.below(bytes.count))
                case 2: bytes = (0..<random.below(300)).map { _ in UInt8(random.below(256)) }
                default:
                    for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
                }
                guard bytes != good else { continue }
                #expect(throws: DelegationRefusal.self, "\(Hex.encode(bytes))") {
                    try accept(Hex.encode(bytes), from: edge, at: core)
                }
            }
            #expect(throws: Never.self) { try accept(Hex.encode(good), from: edge, at: core) }
        }
    }

    @Test("outside a sealed stream a delegation means nothing")
    func delegationInTheClear() async throws {
        try await withPair { mesh, edge, core, backend in
            let answer = try await GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: core.port,
                ["X-Mesh-Delegation": makeDelegation(mesh, from: edge, to: core)], body: GatewayPromptTests.chatStream)
            #expect(answer.status == 401)
            #expect(backend.prompts.isEmpty)
        }
    }

    @Test("a stream of another cluster is closed without a word")
    func foreignStream() async throws {
        try await withPair { mesh, edge, core, _ in
            var entropy = SodiumEntropy()
            var stream = StreamChannel(
                initiatorTo: core.identity.nodeID,
                keys: mesh.channelKeys(of: edge.identity, cluster: ClusterKey.generate(from: &entropy)),
                entropy: &entropy)
            let hello = ByteBuffer(bytes: stream.start())
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: core.port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
            let received = try await channel.executeThenClose { inbound, outbound in
                try await outbound.write(hello)
                var count = 0
                for try await part in inbound { count += part.readableBytes }
                return count
            }
            #expect(received == 0)
        }
    }

    @Test("a node that dies unseen by gossip is passed over for one that lives")
    func targetGone() async throws {
        try await withPair { mesh, edge, core, backend in
            let spare = try await FakeBackend.start(.openai)
            let other = try await GatewayTestNode.start(
                "spare", in: mesh, backends: [NodeConfig.Backend(spare, slowdown: 1)])
            try await other.settle()
            try await core.stop()
            for _ in 0..<6 {
                let answer = try await GatewayTestClient.send(
                    "POST", "/v1/chat/completions", port: edge.port, mesh.authorization,
                    body: GatewayPromptTests.chatStream)
                #expect(answer.status == 200)
                #expect(answer.fields["x-mesh-node"] == "spare")
            }
            try await other.stop()
            try await spare.stop()
        }
    }

    @Test("a stream from a node that has been declared dead ends soon, though nobody closes it")
    func diesInStream() async throws {
        try await withPair { mesh, edge, core, backend in
            backend.behaviour = .answer(["first", "second"], pause: .seconds(8))
            async let answer = GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: edge.port, mesh.authorization, body: GatewayPromptTests.chatStream
            )
            try await eventually { backend.answering == 1 }
            mesh.setState(core.identity.nodeID, .dead)
            let told = try await answer.body
            #expect(told.contains("first") && told.contains("error") && !told.contains("second"), "\(told)")
        }
    }

    @Test("a dead member is no candidate, and a prompt without one is refused with the reasons")
    func deadMember() async throws {
        try await withPair { mesh, edge, core, _ in
            mesh.setState(core.identity.nodeID, .dead)
            let answer = try await GatewayTestClient.send(
                "POST", "/api/chat", port: edge.port, mesh.authorization, body: GatewayPromptTests.chat)
            #expect(answer.status == 404)
            let explained = try JSONParser.parse(
                edge.gateway.explain(model: FakeBackend.model, promptTokens: 10, maxTokens: 10))
            #expect(explained["winner"] == .null)
        }
    }

    private func accept(_ header: String, from peer: GatewayTestNode, at node: GatewayTestNode)
        throws(DelegationRefusal) -> Delegation
    {
        try node.gateway.accept(
            header, from: peer.identity.nodeID, api: .openAIChat,
            authenticator: Authenticator(secrets: NodeSecrets(node.identity)))
    }

    private func makeDelegation(
        _ mesh: GatewayTestMesh, from origin: GatewayTestNode, to target: GatewayTestNode,
        expiresAfter span: Int64 = 60_000,
        key: APIKeySecret? = nil, appliedIndex: LogIndex = .zero
    ) -> String {
        let caller = Caller(
            user: UserName("ada")!, role: .service, proof: .apiKey((key ?? mesh.key).id), isCutOff: false)
        return Delegation(
            origin: origin.identity.nodeID, target: target.identity.nodeID,
            request: Delegation.RequestID(high: UInt64.random(in: 0...UInt64.max), low: 1),
            expiresAt: GatewayTestMesh.unixStart + span, appliedIndex: appliedIndex, caller: caller, api: .openAIChat,
            backend: "local",
            model: FakeBackend.model
        ).signed(by: origin.identity)
    }
}
