import Foundation
import MeshNode
import NIOCore
import NIOSSL
import NodeCore
import Testing

/// Backends behind `https://`, with a certificate by an authority of their own.
@Suite(.timeLimit(.minutes(1)))
struct GatewayTLSTests {
    private static func config(_ backend: FakeBackend, host: String = "127.0.0.1", authority: String?)
        -> NodeConfig.Backend
    {
        var config = NodeConfig.Backend(name: "tls", kind: .openai, url: "https://\(host):\(backend.port)")
        config.authorityFile = authority
        config.measuresSpeed = false
        return config
    }

    private static func serverTLS() throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMBytes(Array(TestAuthority.serverCertificate.utf8))
        let key = try NIOSSLPrivateKey(bytes: Array(TestAuthority.serverKey.utf8), format: .pem)
        return try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key)))
    }

    @Test(
        "a prompt is answered over TLS by a server whose authority is named, by name and by address",
        arguments: ["127.0.0.1", "localhost"])
    func trusted(host: String) async throws {
        let folder = try TestFolder(["authority.pem": TestAuthority.certificate])
        let backend = try await FakeBackend.start(.openai, tls: try Self.serverTLS())
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start(
            "aurora", in: mesh,
            backends: [
                Self.config(backend, host: host, authority: folder.url.appendingPathComponent("authority.pem").path)
            ])
        try await node.settle()
        for body in [GatewayPromptTests.chatStream, GatewayPromptTests.chat] {
            let answer = try await GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: body)
            #expect(answer.status == 200)
            #expect(answer.body.contains("Hel"))
        }
        try await node.stop()
        try await backend.stop()
    }

    @Test("a server whose authority is not known gets no prompt and no key")
    func untrusted() async throws {
        let backend = try await FakeBackend.start(.openai, tls: try Self.serverTLS())
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("aurora", in: mesh, backends: [Self.config(backend, authority: nil)])
        try await eventually { node.gateway.backends[0].current.trouble?.contains("no connection") == true }
        let answer = try await GatewayTestClient.send(
            "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: GatewayPromptTests.chat)
        #expect(answer.status == 404)
        #expect(backend.asked.isEmpty)
        try await node.stop()
        try await backend.stop()
    }

    @Test("an authority that cannot be read, or one for plain HTTP, fails the start by its key")
    func badAuthority() async throws {
        let backend = try await FakeBackend.start(.openai)
        for (url, file) in [
            ("https://127.0.0.1:1", "/nonexistent/a.pem"), ("http://127.0.0.1:1", "/nonexistent/a.pem"),
        ] {
            var config = NodeConfig.Backend(name: "tls", kind: .openai, url: url)
            config.authorityFile = file
            let failure = await #expect(throws: GatewayStartFailure.self) {
                _ = try await GatewayTestNode.start("aurora", in: GatewayTestMesh(), backends: [config])
            }
            #expect(failure?.description.contains("backends.tls.tls_authority") == true)
        }
        try await backend.stop()
    }
}
