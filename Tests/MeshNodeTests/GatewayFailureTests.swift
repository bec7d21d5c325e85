import Gossip
import MeshNode
import NIOCore
import NIOPosix
import NodeCore
import Routing
import Testing

/// What a client sees when a node or its backend fails, and what a node frees when a client goes.
@Suite(.timeLimit(.minutes(1)))
struct GatewayFailureTests {
    static let chatStream = GatewayPromptTests.chatStream
    static let chat = GatewayPromptTests.chat

    /// Two nodes. The near one has `bad` as its backend, the far one a good one; clients ask the near one.
    private func withPair(
        bad: NodeConfig.Backend, good: FakeBackend, goodSlowdown: Double = 1,
        _ body: (GatewayTestMesh, _ near: GatewayTestNode, _ far: GatewayTestNode) async throws -> Void
    ) async throws {
        let mesh = GatewayTestMesh()
        let near = try await GatewayTestNode.start("near", in: mesh, backends: [bad])
        let far = try await GatewayTestNode.start(
            "far", in: mesh, backends: [NodeConfig.Backend(good, slowdown: goodSlowdown)])
        try await far.settle()
        try await near.settle()
        try await body(mesh, near, far)
        try await near.stop()
        try await far.stop()
    }

    @Test(
        "before the first byte a failing backend is not noticed: every prompt is answered by the other node",
        arguments: ["503", "reset", "rude"])
    func failover(kind: String) async throws {
        let bad = try await FakeBackend.start(.openai)
        let good = try await FakeBackend.start(.openai)
        try await withPair(bad: NodeConfig.Backend(bad, name: "bad"), good: good) { mesh, near, _ in
            bad.behaviour =
                switch kind {
                case "503": .status(503, body: "busy")
                case "reset": .closeAtOnce
                default: .failInStream(after: 0)
                }
            for body in [Self.chatStream, Self.chat] + Array(repeating: Self.chatStream, count: 8) {
                let answer = try await GatewayTestClient.send(
                    "POST", "/v1/chat/completions", port: near.port, mesh.authorization, body: body)
                #expect(answer.status == 200)
                #expect(answer.fields["x-mesh-node"] == "far")
                #expect(!answer.body.contains("error"))
            }
        }
        try await bad.stop()
        try await good.stop()
    }

    @Test("a backend that stops listening is passed over")
    func refused() async throws {
        let bad = try await FakeBackend.start(.openai)
        let good = try await FakeBackend.start(.openai)
        try await withPair(bad: NodeConfig.Backend(bad, name: "bad"), good: good) { mesh, near, _ in
            try await bad.stop()
            for _ in 0..<5 {
                let answer = try await GatewayTestClient.send(
                    "POST", "/v1/chat/completions", port: near.port, mesh.authorization, body: Self.chatStream)
                #expect(answer.status == 200)
            }
        }
        try await good.stop()
    }

    @Test("a backend that accepts and hangs is given up at the learned deadline")
    func hang() async throws {
        let bad = try await FakeBackend.start(.ollama)
        let good = try await FakeBackend.start(.ollama)
        try await withPair(bad: NodeConfig.Backend(bad, name: "bad"), good: good) { mesh, near, _ in
            let chat = GatewayPromptTests.chat
            let backend = try #require(near.gateway.backends.first)
            for _ in 0..<5 {
                backend.firstBytes.note(FirstByteBoard.Key(model: FakeBackend.model, isWhole: false), seconds: 0.01)
            }
            bad.behaviour = .hang
            let start = ContinuousClock.now
            var nodes: [String] = []
            for _ in 0..<4 {
                let answer = try await GatewayTestClient.send(
                    "POST", "/api/chat", port: near.port, mesh.authorization, body: chat)
                #expect(answer.status == 200)
                nodes.append(answer.fields["x-mesh-node"] ?? "")
            }
            #expect(nodes == ["far", "far", "far", "far"])
            #expect(ContinuousClock.now - start < .seconds(8))
            try await eventually { bad.cutOff == bad.prompts.count }
        }
        try await bad.stop()
        try await good.stop()
    }

    @Test("a hung backend is given up for a reply in one document too, by what the length of the answer may take")
    func hungDocument() async throws {
        let bad = try await FakeBackend.start(.openai)
        let good = try await FakeBackend.start(.openai)
        try await withPair(bad: NodeConfig.Backend(bad, name: "bad"), good: good, goodSlowdown: 50) { mesh, near, _ in
            let backend = try #require(near.gateway.backends.first)
            for _ in 0..<5 {
                backend.firstBytes.note(FirstByteBoard.Key(model: FakeBackend.model, isWhole: true), seconds: 0.01)
                backend.speeds.noteDecode(FakeBackend.model, tokens: 100, in: .milliseconds(100), now: mesh.now)
            }
            bad.behaviour = .hang
            let body = #"{"model":"smollm2:135m","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#
            let start = ContinuousClock.now
            for _ in 0..<3 {
                let answer = try await GatewayTestClient.send(
                    "POST", "/v1/chat/completions", port: near.port, mesh.authorization, body: body)
                #expect(answer.status == 200)
                #expect(answer.fields["x-mesh-node"] == "far")
            }
            #expect(!bad.prompts.isEmpty, "the near one was never tried")
            // Without what was learned it would be two minutes each.
            #expect(ContinuousClock.now - start < .seconds(20))
            try await eventually { bad.cutOff == bad.prompts.count }
        }
        try await bad.stop()
        try await good.stop()
    }

    @Test("a backend that answers nothing at all any more is given up long before a long answer could be complete")
    func frozenDocument() async throws {
        let bad = try await FakeBackend.start(.openai)
        let good = try await FakeBackend.start(.openai)
        try await withPair(bad: NodeConfig.Backend(bad, name: "bad"), good: good, goodSlowdown: 50) { mesh, near, _ in
            let backend = try #require(near.gateway.backends.first)
            for _ in 0..<5 {
                backend.firstBytes.note(FirstByteBoard.Key(model: FakeBackend.model, isWhole: true), seconds: 0.01)
                backend.speeds.noteDecode(FakeBackend.model, tokens: 100, in: .seconds(1), now: mesh.now)
            }
            bad.behaviour = .frozen
            let start = ContinuousClock.now
            let answer = try await GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: near.port, mesh.authorization, body: Self.chat)
            #expect(answer.status == 200)
            #expect(answer.fields["x-mesh-node"] == "far")
            #expect(!bad.prompts.isEmpty, "the near one was never tried")
            // 8,192 tokens at 100 a second, thrice, would be four minutes.
            #expect(ContinuousClock.now - start < .seconds(30))
        }
        try await bad.stop()
        try await good.stop()
    }

    @Test("a long document from a backend that lives is waited for, however short the answers were before")
    func longDocument() async throws {
        let slow = try await FakeBackend.start(.openai)
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("near", in: mesh, backends: [NodeConfig.Backend(slow)])
        try await node.settle()
        for _ in 0..<10 {
            node.gateway.backends[0].firstBytes.note(
                FirstByteBoard.Key(model: FakeBackend.model, isWhole: true), seconds: 0.01)
        }
        slow.behaviour = .answer(["late"], pause: .milliseconds(1500))
        let answer = try await GatewayTestClient.send(
            "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: Self.chat)
        #expect(answer.status == 200)
        #expect(slow.prompts.count == 1)
        try await node.stop()
        try await slow.stop()
    }

    @Test("a long prompt is given as much longer as it is")
    func longPrompt() async throws {
        let slow = try await FakeBackend.start(.openai)
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("near", in: mesh, backends: [NodeConfig.Backend(slow)])
        try await node.settle()
        let key = FirstByteBoard.Key(model: FakeBackend.model, isWhole: false)
        for _ in 0..<10 { node.gateway.backends[0].firstBytes.note(key, seconds: 0.01, promptTokens: 10) }
        slow.behaviour = .answer(["late"], pause: .milliseconds(1000))
        let words = String(repeating: "word ", count: 8000)
        let body = #"{"model":"smollm2:135m","stream":true,"messages":[{"role":"user","content":"\#(words)"}]}"#
        let answer = try await GatewayTestClient.send(
            "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: body)
        #expect(answer.status == 200)
        #expect(slow.prompts.count == 1)
        try await node.stop()
        try await slow.stop()
    }

    @Test(
        "after the first byte a failure is an explicit error in the dialect, and nothing is said twice",
        arguments: [("/api/chat", Dialect.ollama), ("/v1/chat/completions", .openai), ("/api/chat", .openai)])
    func brokenOff(path: String, dialect: Dialect) async throws {
        let bad = try await FakeBackend.start(dialect)
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("near", in: mesh, backends: [NodeConfig.Backend(bad)])
        try await node.settle()
        for behaviour in [FakeBackend.Behaviour.breakOff(after: 3), .failInStream(after: 3), .endEarly(after: 3)] {
            bad.behaviour = behaviour
            let asked = bad.prompts.count
            let answer = try await GatewayTestClient.send(
                "POST", path, port: node.port, mesh.authorization, body: Self.chatStream)
            #expect(answer.status == 200)
            #expect(answer.body.components(of: "piece ") == 3)
            let last = try #require(answer.lines.last)
            let document = try JSONParser.parse(Array((path.hasPrefix("/v1") ? last.dropFirst(6) : last[...]).utf8))
            #expect(BackendError.text(in: document)?.contains("broke off") == true)
            #expect(bad.prompts.count == asked + 1)
        }
        try await node.stop()
        try await bad.stop()
    }

    @Test("of four failing nodes a request meets three")
    func attemptBudgetAcrossNodes() async throws {
        let mesh = GatewayTestMesh()
        let edge = try await GatewayTestNode.start("edge", in: mesh, backends: [])
        var nodes: [GatewayTestNode] = []
        var backends: [FakeBackend] = []
        for number in 1...4 {
            let backend = try await FakeBackend.start(.openai, .status(500, body: "{}"))
            backends.append(backend)
            nodes.append(
                try await GatewayTestNode.start("n\(number)", in: mesh, backends: [NodeConfig.Backend(backend)]))
            try await nodes[number - 1].settle()
        }
        let answer = try await GatewayTestClient.send(
            "POST", "/v1/chat/completions", port: edge.port, mesh.authorization, body: Self.chatStream)
        #expect(answer.status == 502)
        #expect(backends.reduce(0) { $0 + $1.prompts.count } == 3)
        for node in nodes + [edge] { try await node.stop() }
        for backend in backends { try await backend.stop() }
    }

    @Test("a stopping server lets a stream end before it closes the connection")
    func quiescing() async throws {
        let backend = try await FakeBackend.start(
            .openai, .answer(Array(repeating: "x", count: 100), pause: .milliseconds(10)))
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("near", in: mesh, backends: [NodeConfig.Backend(backend)])
        try await node.settle()
        let request = GatewayTestClient.request(
            "POST", "/v1/chat/completions", mesh.authorization, body: Self.chatStream)
        async let answers = GatewayTestClient.raw(request, port: node.port, count: 2)
        try await eventually { backend.prompts.count == 1 }
        node.quiesce()
        // One answer, complete; then the connection is closed, or the second would be waited for.
        #expect(try await answers.count == 1)
        #expect(try await answers.first?.body.hasSuffix("[DONE]\n\n") == true)
        try await node.stop()
        try await backend.stop()
    }

    @Test("a client that does not read holds its backend back instead of filling memory")
    func slowClient() async throws {
        let piece = String(repeating: "x", count: 100_000)
        let backend = try await FakeBackend.start(
            .openai, .answer(Array(repeating: piece, count: 400), pause: .microseconds(100)))
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("near", in: mesh, backends: [NodeConfig.Backend(backend)])
        try await node.settle()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .connect(host: "127.0.0.1", port: node.port).get()
        let request = GatewayTestClient.request(
            "POST", "/v1/chat/completions", mesh.authorization, body: Self.chatStream)
        try await channel.writeAndFlush(ByteBuffer(string: request))
        try await eventually { backend.answering == 1 }
        for _ in 0..<30 {
            try await Task.sleep(for: .milliseconds(50))
            #expect(try await node.bufferedBytesMax() < 2 << 20)
        }
        #expect(backend.answering == 1)
        try await channel.setOption(.autoRead, value: true).get()
        try await eventually { backend.answering == 0 }
        #expect(backend.cutOff == 0)
        try await channel.close()
        try await node.stop()
        try await backend.stop()
    }

    @Test("a client that closes its sending half counts as gone")
    func halfClosed() async throws {
        let backend = try await FakeBackend.start(.openai, .hang)
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("near", in: mesh, backends: [NodeConfig.Backend(backend)])
        try await node.settle()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: node.port).get()
        let request = GatewayTestClient.request(
            "POST", "/v1/chat/completions", mesh.authorization, body: Self.chatStream)
        try await channel.writeAndFlush(ByteBuffer(string: request))
        try await eventually { backend.answering == 1 }
        try await channel.close(mode: .output)
        try await eventually { backend.cutOff == 1 }
        try await channel.closeFuture.get()
        try await node.stop()
        try await backend.stop()
    }

    @Test("a request is tried at most three times, then the client is told")
    func attemptBudget() async throws {
        let bad = try await FakeBackend.start(.openai, .status(500, body: #"{"error":"boom"}"#))
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("near", in: mesh, backends: [NodeConfig.Backend(bad)])
        try await node.settle()
        let answer = try await GatewayTestClient.send(
            "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: Self.chatStream)
        #expect(answer.status == 502)
        #expect(answer.body.contains("3 attempts") && answer.body.contains("boom"))
        #expect(bad.prompts.count == 3)
        let next = try await GatewayTestClient.send(
            "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: Self.chatStream)
        #expect(next.status == 503)
        #expect(next.fields["retry-after"] != nil)
        #expect(next.body.contains("breaker-open"))
        try await node.stop()
        try await bad.stop()
    }

    @Test("a backend's 400 is the client's own mistake: told at once, tried once")
    func rejected() async throws {
        let backend = try await FakeBackend.start(.ollama, .status(400, body: #"{"error":"context too long"}"#))
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("near", in: mesh, backends: [NodeConfig.Backend(backend)])
        try await node.settle()
        let answer = try await GatewayTestClient.send(
            "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: Self.chatStream)
        #expect(answer.status == 400)
        #expect(try JSONParser.parse(Array(answer.body.utf8))["error"]?["message"]?.text == "context too long")
        #expect(backend.prompts.count == 1)
        try await node.stop()
        try await backend.stop()
    }

    @Test(
        "a client that leaves frees its backend: queued, waiting for the first byte, and streaming",
        arguments: ["queued", "waiting", "streaming"])
    func clientLeaves(phase: String) async throws {
        let slow = FakeBackend.Behaviour.answer(Array(repeating: "x", count: 5000), pause: .milliseconds(10))
        let backend = try await FakeBackend.start(.openai, phase == "streaming" ? slow : .hang)
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("near", in: mesh, backends: [NodeConfig.Backend(backend, slots: 1)])
        try await node.settle()
        let request = GatewayTestClient.request(
            "POST", "/v1/chat/completions", mesh.authorization, body: Self.chatStream)
        let desk = node.gateway.backends[0].desk
        try await GatewayTestClient.abandon(request, port: node.port) {
            try await eventually { desk.counts.running == 1 && backend.answering == 1 }
            guard phase == "queued" else { return }
            try await GatewayTestClient.abandon(request, port: node.port) {
                try await eventually { desk.counts.queued == 1 }
            }
            try await eventually { desk.counts.queued == 0 }
        }
        try await eventually { desk.counts.running == 0 && backend.answering == 0 && backend.cutOff == 1 }
        #expect(backend.prompts.count == 1)
        desk.checkInvariants()
        try await node.stop()
        try await backend.stop()
    }

    @Test("a full queue turns requests to the other node")
    func queueFull() async throws {
        let busy = try await FakeBackend.start(.openai, .hang)
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start("near", in: mesh, backends: [NodeConfig.Backend(busy, slots: 1)])
        try await node.settle()
        let desk = node.gateway.backends[0].desk
        for _ in 0...LocalBackend.queueMax { _ = desk.enter(priority: .inference, tokens: 1) { _ in } }
        let answer = try await GatewayTestClient.send(
            "POST", "/api/chat", port: node.port, mesh.authorization, body: Self.chat)
        #expect(answer.status == 503)
        #expect(answer.body.contains("queue is full"))
        #expect(answer.fields["retry-after"] != nil)
        try await node.stop()
        try await busy.stop()
    }
}

extension String {
    /// How often `part` occurs.
    func components(of part: String) -> Int {
        var count = 0
        var rest = self[...]
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
