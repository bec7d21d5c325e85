import MeshNode
import Primitives
import SecureChannel
import Testing

/// The gateway in Hummingbird's own pipeline.
@Suite(.timeLimit(.minutes(1)))
struct GatewayServiceTests {
    private static let hooks = GatewayHooks(handlers: { surface in
        var entropy = SodiumEntropy()
        let identity = Identity.generate(from: &entropy)
        let sealing = ChannelSealing(
            keys: SharedKeys(
                ChannelKeys(
                    cluster: .generate(from: &entropy), me: identity.nodeID, exchange: identity.exchange, peers: [])))
        guard
            let gateway = try? Gateway(config: surface.config, core: surface.core, identity: identity, sealing: sealing)
        else { preconditionFailure("a gateway without backends always starts") }
        return { gateway.makeHandlers(GatewayAccess(surface)) }
    })

    @Test("requests for both sides share one connection and one sign-in, in order")
    func pipelined() async throws {
        try await TestNode.run(hooks: Self.hooks) { node async throws in
            let bearer = try await node.bearer()
            let paths = ["/api/version", "/health/live", "/v1/models", "/mesh/v1/auth/me", "/api/tags", "/v1/none"]
            let requests = paths.map { GatewayTestClient.request("GET", $0, bearer) }
            let answers = try await GatewayTestClient.raw(requests.joined(), port: node.port, count: paths.count)
            #expect(answers.map(\.status) == [200, 200, 200, 200, 200, 404])
            #expect(answers[0].body.contains("version"))
            #expect(answers[2].body.contains(#""object":"list""#))
            #expect(answers[3].body.contains("ada"))
            #expect(answers[4].body.contains(#""models":[]"#))
        }
    }

    @Test(
        "what the gateway does not serve is 404 in the words of the API spoken, and managing models is 403",
        arguments: [
            ("/api/show", 404), ("/api/embed", 404), ("/api/embeddings", 404), ("/v1/embeddings", 404),
            ("/v1/responses", 404), ("/api/pull", 403), ("/api/create", 403), ("/api/blobs/sha256:00", 403),
        ])
    func notServed(path: String, status: Int) async throws {
        try await TestNode.run(hooks: Self.hooks) { node async throws in
            let reply = try await node.post(path, #"{"model":"m","input":"x"}"#, try await node.bearer())
            #expect(reply.status == status)
            if path.hasPrefix("/api") {
                #expect((reply.json["error"] as? String)?.isEmpty == false, "\(reply.body)")
            } else {
                let error = try #require(reply.json["error"] as? [String: Any], "\(reply.body)")
                #expect((error["message"] as? String)?.isEmpty == false && error["type"] is String)
            }
        }
    }

    @Test("a broken request is answered 400, and the node lives on")
    func broken() async throws {
        try await TestNode.run(hooks: Self.hooks) { node async throws in
            for text in ["POST /v1/chat/completions\r\n\r\n", "GET /api/\u{1} HTTP/1.1\r\n\r\n", "\u{16}\u{3}\u{1}TLS"]
            {
                let answers = try await GatewayTestClient.raw(text, port: node.port, count: 1)
                #expect(answers.first?.status ?? 400 == 400)
            }
            let path = "POST /v1/../mesh/v1/kv/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
            #expect(try await GatewayTestClient.raw(path, port: node.port, count: 1).first?.status == 400)
            #expect(try await node.get("/api/version").status == 200)
        }
    }
}
