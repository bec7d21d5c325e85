import MeshNode
import NIOCore
import NodeCore
import Primitives
import Routing
import Testing

/// An idle node's own tiny prompts, over a real connection to a stand-in for a model server.
@Suite(.timeLimit(.minutes(1)))
struct SpeedCheckTests {
    private static func config(_ backend: FakeBackend, slowdown: Double = 1) -> NodeConfig.Backend {
        var config = NodeConfig.Backend(backend, slowdown: slowdown)
        config.measuresSpeed = true
        return config
    }

    @Test("before any prompt the mesh knows how fast a backend writes, by its own figures", arguments: Dialect.allCases)
    func measured(dialect: Dialect) async throws {
        let backend = try await FakeBackend.start(dialect, .timed(promptTokens: 40, promptMS: 100, tokens: 8, ms: 80))
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("aurora", in: mesh, backends: [Self.config(backend, slowdown: 2)])
        try await eventually { node.told?.decodeTokensPerSecond != nil }
        #expect(backend.prompts.count < 4, "a rough figure is told before the last try")
        try await eventually { backend.prompts.count == 4 }
        let told = try #require(node.told)
        // 100 and 400 a second by the server's figures, halved by the slowdown; catalogues are coarse.
        let (decode, prefill) = (try #require(told.decodeTokensPerSecond), try #require(told.prefillTokensPerSecond))
        #expect(abs(decode / 50 - 1) < 0.07)
        #expect(abs(prefill / 200 - 1) < 0.07)
        #expect(Set(backend.prompts.map(\.body)).count == 4, "no prompt can be answered from the cache of another")
        try await node.stop()
        try await backend.stop()
    }

    @Test("a server that tells no figures is timed")
    func timed() async throws {
        let backend = try await FakeBackend.start(.openai, .answer(["a", "b", "c", "d"], pause: .milliseconds(10)))
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("aurora", in: mesh, backends: [Self.config(backend)])
        try await eventually { node.told?.decodeTokensPerSecond != nil }
        #expect(node.told?.prefillTokensPerSecond == nil, "a first byte is no speed")
        try await node.stop()
        try await backend.stop()
    }

    @Test("a prompt that arrives ends a check at once, and the check is not counted")
    func givesWay() async throws {
        let backend = try await FakeBackend.start(.openai, .hang)
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("aurora", in: mesh, backends: [Self.config(backend)])
        try await node.settle()
        try await eventually { backend.answering == 1 }
        backend.behaviour = .answer(["ok"], pause: .milliseconds(1))
        let answer = try await GatewayTestClient.send(
            "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: GatewayPromptTests.chatStream)
        #expect(answer.status == 200)
        try await eventually { backend.cutOff == 1 }
        #expect(node.told?.decodeTokensPerSecond == nil)
        try await node.stop()
        try await backend.stop()
    }

    @Test("a backend whose key may cost money, or that is told so, is never asked by the node itself")
    func switchedOff() async throws {
        let backend = try await FakeBackend.start(.openai)
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("aurora", in: mesh, backends: [NodeConfig.Backend(backend)])
        try await node.settle()
        try await Task.sleep(for: .milliseconds(700))
        #expect(backend.prompts.isEmpty)
        try await node.stop()
        try await backend.stop()
    }

    @Test("a model that is not in memory is not loaded by a check")
    func coldModel() async throws {
        let backend = try await FakeBackend.start(.ollama)
        backend.hasModelInMemory = false
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("aurora", in: mesh, backends: [Self.config(backend)])
        try await node.settle()
        try await Task.sleep(for: .milliseconds(700))
        #expect(backend.prompts.isEmpty)
        try await node.stop()
        try await backend.stop()
    }
}
