import Foundation
import Testing

extension RealProcesses {
    /// With the built-in demonstration backend; RealModelTests does the same with a real model.
    @Suite("Five processes: prompts", .timeLimit(.minutes(2)))
    struct FiveNodePromptTests {
        private static let names: Set<String> = ["aurora", "vengeance", "runpod-tx", "robbiebook1", "sark"]

        @Test("a prompt to robbiebook1 streams back in both dialects and says which node answered")
        func streams() async throws {
            try await FiveNodes.run { nodes in
                let client = nodes["robbiebook1"].signedIn(nodes.demo.ready.apiKey)
                let model = try #require(nodes.demo.ready.models.first)
                let messages = #""messages": [{"role": "user", "content": "Say hello."}]"#
                for (path, extra) in [("/api/chat", ""), ("/v1/chat/completions", #", "stream": true"#)] {
                    let reply = try await client.post(path, #"{"model": "\#(model)", \#(messages)\#(extra)}"#)
                    #expect(reply.status == 200, "\(path): \(reply.description)")
                    #expect(reply.pieces > 1, "\(path) came in one piece")
                    #expect(reply.text.split(separator: "\n").count > 2, "\(path): \(reply.text)")
                    let answerer = try #require(reply.fields["x-mesh-node"])
                    #expect(Self.names.contains(answerer))
                    #expect(reply.fields["x-mesh-decision"]?.isEmpty == false)
                    print("\(path): answered by \(answerer) because \(reply.fields["x-mesh-decision"] ?? "")")
                }
                let whole = try await client.post("/v1/chat/completions", #"{"model": "\#(model)", \#(messages)}"#)
                let content = whole.json["choices"].list.first?["message"]["content"].text
                #expect(content?.isEmpty == false, "\(whole.description)")
            }
        }

        @Test("of twenty prompts to robbiebook1 the fastest node answers the first, and nine in ten of all")
        func fastest() async throws {
            try await FiveNodes.run { nodes in
                try await FastestNode.expect(nodes, model: try #require(nodes.demo.ready.models.first))
            }
        }

        @Test("an unknown model is 404, and broken JSON 400, in the words of the API spoken")
        func unknownModel() async throws {
            try await FiveNodes.run { nodes in
                let client = nodes["robbiebook1"].signedIn(nodes.demo.ready.apiKey)
                let prompt = #"{"model": "nonesuch", "messages": [{"role": "user", "content": "hello"}]}"#
                for (body, status) in [(prompt, 404), (#"{"model": "#, 400)] {
                    let ollama = try await client.post("/api/chat", body)
                    #expect(ollama.status == status, "\(ollama.description)")
                    #expect(ollama.json["error"].text?.isEmpty == false, "\(ollama.description)")
                    let openAI = try await client.post("/v1/chat/completions", body)
                    #expect(openAI.status == status, "\(openAI.description)")
                    #expect(openAI.json["error"]["message"].text?.isEmpty == false, "\(openAI.description)")
                    #expect(openAI.json["error"]["type"].text == "invalid_request_error", "\(openAI.description)")
                }
                let mesh = try await client.post("/mesh/v1/auth/login", #"{"username": "#)
                #expect(mesh.status == 400)
                #expect(mesh.fields["content-type"] == "application/problem+json")
                try await expectAlive(nodes, "robbiebook1")
            }
        }

        @Test("too large a body is 413 and a wrong method 405 with Allow, and the agent lives on")
        func badRequests() async throws {
            try await FiveNodes.run { nodes in
                let client = nodes["robbiebook1"].signedIn(try await nodes.login(on: "robbiebook1").accessToken)
                for (path, byteCount) in [("/mesh/v1/kv/large", 257 << 10), ("/v1/chat/completions", 9 << 20)] {
                    let body = Data(repeating: UInt8(ascii: "x"), count: byteCount)
                    let reply = try await client.send(path.hasPrefix("/v1") ? "POST" : "PUT", path, body: body)
                    #expect(reply.status == 413, "\(path): \(reply.description)")
                }
                for path in ["/mesh/v1/auth/login", "/api/chat", "/v1/chat/completions"] {
                    let reply = try await client.send("DELETE", path)
                    #expect(reply.status == 405, "\(path): \(reply.description)")
                    #expect(reply.fields["allow"]?.contains("POST") == true, "\(path): \(reply.fields)")
                }
                try await expectAlive(nodes, "robbiebook1")
            }
        }

        @Test("an expired token and a forged one are 401 in the words of the API spoken, and the agent lives on")
        func badTokens() async throws {
            try await FiveNodes.run { nodes in
                let genuine = try await nodes.login(on: "aurora").accessToken
                let forger = try TokenForger(genuine, dataDirectory: nodes.node("aurora").dir)
                let thief = try TokenForger(genuine, dataDirectory: nodes.node("robbiebook1").dir)
                // The forger signs as well as the node does: what it changes is all that is wrong.
                #expect(try await nodes["sark"].signedIn(try forger.unchanged()).me().status == 200)
                let refused = [
                    "expired": try forger.expired(), "forged": try forger.signedByAnother(), "nonsense": "a.b.c",
                    "signed with what an edge machine's disk holds": try thief.unchanged(),
                ]
                for (kind, token) in refused {
                    for node in ["robbiebook1", "sark"] {
                        let client = nodes[node].signedIn(token)
                        let mesh = try await client.me()
                        #expect(mesh.status == 401, "\(kind): \(mesh.description)")
                        #expect(mesh.fields["content-type"] == "application/problem+json")
                        let ollama = try await client.post("/api/chat", #"{"model": "x", "messages": []}"#)
                        #expect(
                            ollama.status == 401 && ollama.json["error"].text != nil, "\(kind): \(ollama.description)")
                        let openAI = try await client.get("/v1/models")
                        #expect(openAI.status == 401, "\(kind): \(openAI.description)")
                        #expect(openAI.json["error"]["message"].text != nil, "\(kind): \(openAI.description)")
                    }
                }
                try await expectAlive(nodes, "robbiebook1")
            }
        }

        private func expectAlive(_ nodes: FiveNodes, _ name: String) async throws {
            let session = try await nodes.login(on: name)
            #expect(try await nodes[name].signedIn(session.accessToken).me().status == 200)
            #expect(processRuns(nodes.node(name).pid))
        }
    }
}

/// The promise of routing, tried from outside: right after `ready`, with nothing asked before.
enum FastestNode {
    static let promptCount = 20

    static func expect(_ nodes: FiveNodes, model: String) async throws {
        let client = nodes["robbiebook1"].signedIn(nodes.demo.ready.apiKey)
        let status = try await client.get("/mesh/v1/status").json
        // The demo's nodes differ by their configured slowdown alone, and the one without is the fastest.
        let fastest = status["members"].list.filter { member in
            member["health"]["backends"].list.contains { $0["slowdown"].number == 1 }
        }.compactMap { $0["name"].text }
        #expect(fastest == ["vengeance"])
        var answerers: [String] = []
        var decisions: [String] = []
        for number in 1...promptCount {
            let messages = #""messages": [{"role": "user", "content": "Say hello to number \#(number)."}]"#
            let reply = try await client.post(
                "/v1/chat/completions", #"{"model": "\#(model)", "max_tokens": 16, \#(messages)}"#)
            try #require(reply.status == 200, "\(reply.description)")
            answerers.append(try #require(reply.fields["x-mesh-node"]))
            decisions.append(reply.fields["x-mesh-decision"] ?? "")
        }
        let wins = answerers.count { fastest.contains($0) }
        print("\(model): the fastest node answered \(wins) of \(promptCount), first because \(decisions[0])")
        #expect(answerers.first == fastest.first, "\(decisions[0])")
        #expect(
            wins * 10 >= promptCount * 9, "\(zip(answerers, decisions).map { "\($0): \($1)" }.joined(separator: "\n"))")
    }
}
