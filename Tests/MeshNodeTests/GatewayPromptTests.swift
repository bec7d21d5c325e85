import Gossip
import MeshNode
import NIOCore
import NodeCore
import Routing
import Synchronization
import Testing

/// One node, one backend, a client: what goes in and what comes out.
@Suite(.timeLimit(.minutes(1)))
struct GatewayPromptTests {
    static let chat = #"{"model":"smollm2:135m","messages":[{"role":"user","content":"hi"}]}"#
    static let chatStream = #"{"model":"smollm2:135m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#
    static let usageStream =
        #"{"model":"smollm2:135m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#
    static let generate = #"{"model":"smollm2:135m","prompt":"hi"}"#

    private func withNode(
        _ dialect: Dialect, slowdown: Double = 1, limits: NodeConfig.Limits = .init(),
        _ body: (GatewayTestMesh, GatewayTestNode, FakeBackend) async throws -> Void
    ) async throws {
        let mesh = GatewayTestMesh()
        let backend = try await FakeBackend.start(dialect)
        let node = try await GatewayTestNode.start(
            "aurora", in: mesh, backends: [NodeConfig.Backend(backend, slowdown: slowdown)], limits: limits)
        try await node.settle()
        try await body(mesh, node, backend)
        try await node.stop()
        try await backend.stop()
    }

    @Test("a stream in the backend's own dialect passes unchanged, chunk for chunk")
    func verbatimStream() async throws {
        try await withNode(.openai) { mesh, node, backend in
            backend.behaviour = .answer(["a", "b", "c"], pause: .milliseconds(30))
            let answer = try await GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: Self.chatStream)
            #expect(answer.status == 200)
            #expect(answer.fields["content-type"] == "text/event-stream")
            #expect(answer.fields["x-mesh-node"] == "aurora")
            #expect(answer.fields["x-mesh-decision"]?.hasPrefix("aurora/local eta=") == true)
            #expect(answer.fields["set-cookie"] == nil)
            #expect(
                answer.chunks.prefix(3) == ["a", "b", "c"].map { FakeReply.piece("/v1/chat/completions", $0) }[...])
            #expect(answer.body.hasSuffix("data: [DONE]\n\n"))
        }
    }

    @Test("Ollama's clients get NDJSON by default and one document with stream false")
    func ollamaDefaults() async throws {
        try await withNode(.ollama) { mesh, node, backend in
            let stream = try await GatewayTestClient.send(
                "POST", "/api/chat", port: node.port, mesh.authorization, body: Self.chat)
            #expect(stream.fields["content-type"] == "application/x-ndjson")
            #expect(stream.lines.count == 4)
            #expect(stream.lines.last?.contains(#""done":true"#) == true)
            let document = try await GatewayTestClient.send(
                "POST", "/api/generate", port: node.port, mesh.authorization,
                body: #"{"model":"smollm2:135m","prompt":"hi","stream":false}"#)
            #expect(document.fields["content-type"] == "application/json")
            #expect(document.body == FakeReply.whole("/api/generate", ["Hello world"]))
        }
    }

    @Test("an OpenAI client streams from an Ollama backend: role first, one id, finish, usage, DONE")
    func openAIOverOllama() async throws {
        try await withNode(.ollama) { mesh, node, backend in
            let answer = try await GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: Self.usageStream)
            let events = answer.lines.map { $0.dropFirst(6) }
            #expect(events.last == "[DONE]")
            let documents = try events.dropLast().map { try JSONParser.parse(Array($0.utf8)) }
            #expect(Set(documents.compactMap { $0["id"]?.text }).count == 1)
            let deltas = documents.compactMap { $0["choices"]?.elements?.first?["delta"] }
            #expect(deltas.first?["role"]?.text == "assistant")
            #expect(deltas.dropFirst().allSatisfy { $0["role"] == nil })
            #expect(deltas.compactMap { $0["content"]?.text }.joined() == "Hello world")
            #expect(documents.contains { $0["choices"]?.elements?.first?["finish_reason"]?.text == "stop" })
            #expect(documents.last?["choices"]?.elements?.isEmpty == true)
            #expect(documents.last?["usage"]?["total_tokens"]?.integer == 10)
            #expect(backend.prompts.last?.path == "/api/chat")
        }
    }

    @Test("an OpenAI client gets one document from an Ollama backend that streamed")
    func openAIDocumentOverOllama() async throws {
        try await withNode(.ollama) { mesh, node, _ in
            let answer = try await GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: Self.chat)
            let document = try JSONParser.parse(Array(answer.body.utf8))
            #expect(document["object"]?.text == "chat.completion")
            #expect(document["model"]?.text == "smollm2:135m")
            #expect(document["choices"]?.elements?.first?["message"]?["content"]?.text == "Hello world")
            #expect(document["usage"]?["completion_tokens"]?.integer == 3)
        }
    }

    @Test("an Ollama client streams from an OpenAI backend and its last line has reason, counts and durations")
    func ollamaOverOpenAI() async throws {
        try await withNode(.openai) { mesh, node, backend in
            for (path, body) in [("/api/chat", Self.chat), ("/api/generate", Self.generate)] {
                let answer = try await GatewayTestClient.send(
                    "POST", path, port: node.port, mesh.authorization, body: body)
                let lines = try answer.lines.map { try JSONParser.parse(Array($0.utf8)) }
                let text = lines.compactMap { ($0["message"]?["content"] ?? $0["response"])?.text }.joined()
                #expect(text == "Hello world")
                #expect(lines.allSatisfy { $0["model"]?.text == "smollm2:135m" && $0["created_at"]?.text != nil })
                #expect(lines.last?["done_reason"]?.text == "stop")
                #expect(lines.last?["prompt_eval_count"]?.integer == 7)
                #expect(lines.last?["eval_count"]?.integer == 3)
                #expect((lines.last?["total_duration"]?.integer ?? 0) > 0)
                #expect(backend.prompts.last?.path == "/v1/chat/completions")
            }
        }
    }

    @Test("completions and the list of models in memory work, and an empty chat only loads")
    func furtherEndpoints() async throws {
        try await withNode(.openai) { mesh, node, backend in
            let completion = try await GatewayTestClient.send(
                "POST", "/v1/completions", port: node.port, mesh.authorization,
                body: #"{"model":"smollm2:135m","prompt":"hi"}"#)
            #expect(completion.status == 200 && backend.prompts.last?.path == "/v1/completions")
            let asked = backend.prompts.count
            let load = try await GatewayTestClient.send(
                "POST", "/api/chat", port: node.port, mesh.authorization, body: #"{"model":"smollm2:135m"}"#)
            #expect(load.body.contains(#""done_reason":"load""#) && backend.prompts.count == asked)
            let running = try await GatewayTestClient.send("GET", "/api/ps", port: node.port, mesh.authorization)
            #expect(running.body.contains("smollm2:135m") && running.body.contains("size_vram"))
        }
    }

    @Test("credentials, cookies, the client's host and its X-Mesh headers never reach a backend")
    func headerHygiene() async throws {
        try await withNode(.openai) { mesh, node, backend in
            var fields = mesh.authorization
            fields["Cookie"] = "mesh=1"
            fields["X-Mesh-Node"] = "forged"
            fields["X-Custom"] = "1"
            let answer = try await GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: node.port, fields, body: Self.chatStream)
            let asked = try #require(backend.prompts.last)
            #expect(Set(asked.fields.keys) == ["host", "content-type", "content-length", "accept", "user-agent"])
            #expect(asked.fields["host"] == "127.0.0.1:\(backend.port)")
            #expect(asked.body == Self.chatStream)
            #expect(answer.fields["x-mesh-node"] == "aurora")
        }
    }

    @Test(
        "refusals take the shape of the API that was spoken",
        arguments: [
            ("POST", "/v1/chat/completions", "", 401), ("POST", "/api/chat", "", 401),
            ("GET", "/v1/nothing", "key", 404), ("GET", "/api/chat", "key", 405), ("DELETE", "/api/delete", "key", 403),
            ("POST", "/v1/chat/completions", "key", 400),
        ])
    func refusals(method: String, path: String, credential: String, status: Int) async throws {
        try await withNode(.openai) { mesh, node, _ in
            let answer = try await GatewayTestClient.send(
                method, path, port: node.port, credential.isEmpty ? [:] : mesh.authorization, body: "{broken")
            #expect(answer.status == status)
            let document = try JSONParser.parse(Array(answer.body.utf8))
            if path.hasPrefix("/api") {
                #expect(document["error"]?.text?.isEmpty == false)
            } else {
                #expect(document["error"]?["message"]?.text?.isEmpty == false)
                #expect(document["error"]?["type"]?.text?.isEmpty == false)
            }
            #expect(answer.fields["x-mesh-node"] == "aurora")
        }
    }

    @Test("an unknown model is 404, and a body beyond the limit 413, in both shapes")
    func unknownModelAndLargeBody() async throws {
        var limits = NodeConfig.Limits()
        limits.requestBodyBytes = 2000
        try await withNode(.openai, limits: limits) { mesh, node, _ in
            for (path, shape) in [("/v1/chat/completions", "message"), ("/api/chat", "")] {
                let unknown = try await GatewayTestClient.send(
                    "POST", path, port: node.port, mesh.authorization,
                    body: #"{"model":"none","messages":[{"role":"user","content":"hi"}]}"#)
                #expect(unknown.status == 404)
                #expect(unknown.body.contains("none") && unknown.body.contains(shape))
                let large = try await GatewayTestClient.send(
                    "POST", path, port: node.port, mesh.authorization, body: String(repeating: "x", count: 3000))
                #expect(large.status == 413)
                #expect(large.fields["connection"] != "close", "it was read to its end")
                let endless = try await GatewayTestClient.raw(
                    "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n"
                        + mesh.authorization.map { "\($0.key): \($0.value)\r\n" }.joined() + "\r\nx",
                    port: node.port, count: 1)
                #expect(endless.first?.status == 413 && endless.first?.fields["connection"] == "close")
                let asking = try await GatewayTestClient.raw(
                    "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000\r\nExpect: 100-continue\r\n"
                        + mesh.authorization.map { "\($0.key): \($0.value)\r\n" }.joined() + "\r\n",
                    port: node.port, count: 1)
                #expect(asking.first?.status == 413, "it waits for leave to send, which it does not get")
            }
        }
    }

    @Test("a foreign Host name is answered 421")
    func foreignHost() async throws {
        try await withNode(.openai) { mesh, node, _ in
            let text = "GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n"
            let answer = try await GatewayTestClient.raw(text, port: node.port, count: 1)
            #expect(answer.first?.status == 421)
        }
    }

    @Test(
        "a request that two readers could read differently is not forwarded",
        arguments: [
            "Content-Length: N\r\nTransfer-Encoding: chunked\r\n", "Content-Length: N\r\nContent-Length: N\r\n",
            "Transfer-Encoding: gzip, chunked\r\n", "Content-Length: N\r\nUpgrade: h2c\r\nConnection: upgrade\r\n",
            "Content-Length: N\r\nX-A: b\r\n c\r\n",
        ])
    func framing(fields: String) async throws {
        try await withNode(.openai) { mesh, node, backend in
            let count = String(Self.chatStream.utf8.count)
            let text =
                "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(mesh.key.text)\r\n"
                + fields.split(separator: "N", omittingEmptySubsequences: false).joined(separator: count) + "\r\n"
                + (fields.contains("chunked") ? String(Self.chatStream.utf8.count, radix: 16) + "\r\n" : "")
                + Self.chatStream + (fields.contains("chunked") ? "\r\n0\r\n\r\n" : "")
            let answers = try await GatewayTestClient.raw(text, port: node.port, count: 1)
            #expect(answers.first?.status == 400)
            #expect(backend.prompts.isEmpty)
        }
    }

    @Test("models are listed once, found by id or alias, and the version needs no credentials")
    func lists() async throws {
        try await withNode(.ollama) { mesh, node, _ in
            let tags = try await GatewayTestClient.send("GET", "/api/tags", port: node.port, mesh.authorization)
            let models = try JSONParser.parse(Array(tags.body.utf8))["models"]?.elements ?? []
            #expect(models.compactMap { $0["name"]?.text } == [FakeBackend.model])
            #expect(models.first?["details"]?["parameter_size"]?.text == "134M")
            let one = try await GatewayTestClient.send(
                "GET", "/v1/models/smollm2:135m", port: node.port, mesh.authorization)
            #expect(one.status == 200 && one.body.contains(#""id":"smollm2:135m""#))
            let none = try await GatewayTestClient.send("GET", "/v1/models/a/b:c", port: node.port, mesh.authorization)
            #expect(none.status == 404)
            let version = try await GatewayTestClient.send("GET", "/api/version", port: node.port)
            #expect(version.status == 200)
            let head = try await GatewayTestClient.send("HEAD", "/api/version", port: node.port)
            #expect(head.status == 200 && head.body.isEmpty)
        }
    }

    @Test("requests pipelined to both sides are answered in order")
    func pipelining() async throws {
        try await withNode(.openai) { mesh, node, _ in
            let texts = [
                GatewayTestClient.request("GET", "/ui"),
                GatewayTestClient.request("GET", "/v1/models", mesh.authorization),
                GatewayTestClient.request("POST", "/upload", body: String(repeating: "u", count: 60_000_000)),
                GatewayTestClient.request("POST", "/v1/chat/completions", mesh.authorization, body: Self.chatStream),
                GatewayTestClient.request("GET", "/last"),
            ]
            let answers = try await GatewayTestClient.raw(texts.joined(), port: node.port, count: 5)
            #expect(answers.count == 5)
            #expect(answers.first?.body == "echo /ui 0")
            #expect(answers[1].body.contains("smollm2:135m"))
            #expect(answers[2].body == "echo /upload 60000000")
            #expect(answers[3].body.hasSuffix("[DONE]\n\n"))
            #expect(answers[4].body == "echo /last 0")
        }
    }

    @Test("a slowdown of four makes an answer take four times as long, chunk by chunk")
    func slowdown() async throws {
        try await withNode(.openai, slowdown: 4) { mesh, node, backend in
            backend.behaviour = .answer(["a", "b", "c", "d"], pause: .milliseconds(25))
            let start = ContinuousClock.now
            let answer = try await GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: Self.chatStream)
            #expect(ContinuousClock.now - start > .milliseconds(380))
            #expect(answer.chunks.count >= 4)
            #expect(node.gateway.monitor.currentLoad().backends.first?.slowdown == 4)
        }
    }

    @Test("the demonstration answers only where it is configured, and says what it is")
    func demonstration() async throws {
        let mesh = GatewayTestMesh()
        let node = try await GatewayTestNode.start(
            "sark", in: mesh, backends: [NodeConfig.Backend(name: "demo", kind: .demo, url: "")])
        try await node.settle()
        let answer = try await GatewayTestClient.send(
            "POST", "/api/generate", port: node.port, mesh.authorization,
            body: #"{"model":"meshnode-demo","prompt":"hi there","stream":false}"#)
        #expect(answer.status == 200)
        #expect(answer.body.contains("This is a demonstration"))
        #expect(answer.body.contains(#""model":"meshnode-demo""#))
        try await node.stop()
    }

    @Test("each prompt is told to those who watch this node route")
    func routeEvents() async throws {
        try await withNode(.openai) { mesh, node, _ in
            _ = try await GatewayTestClient.send(
                "POST", "/v1/chat/completions", port: node.port, mesh.authorization, body: Self.chatStream)
            try await eventually { node.events.withLock { !$0.isEmpty } }
            let event = try JSONParser.parse(Array(node.events.withLock { $0[0] }.utf8))
            #expect(event["node"]?.text == "aurora" && event["result"]?.text == "ok")
            #expect(event["attempts"]?.integer == 1)
        }
    }
}
