import MeshNode
import NodeCore
import Testing

/// Values served on the connection's event loop, and everything that is left to Hummingbird.
@Suite("Values on the event loop", .timeLimit(.minutes(1)))
struct HTTPValueHandlerTests {
    /// An encoded letter keeps a request from `ValueHandler`; both readings are the same path.
    private static let detour = "/mesh/v1/%6Bv/"

    @Test("a request gets the same answer, whoever serves it")
    func sameAnswers() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let tag = try #require(try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "v").fields["etag"])
            var requests: [(method: String, target: String, fields: [String: String], body: String?)] = [
                ("GET", "k", [:], nil), ("GET", "absent", [:], nil), ("GET", "k", ["If-None-Match": tag], nil),
                ("GET", "k?consistency=local", [:], nil), ("GET", "k?consistency=maybe", [:], nil),
                ("HEAD", "k", [:], nil),
                ("PUT", "k", ["If-Match": "\"1\""], "w"), ("PUT", "k", ["If-None-Match": "*"], "w"),
                ("PUT", "k", ["If-Match": "junk"], "w"), ("DELETE", "absent", [:], nil), ("POST", "k", [:], "w"),
                ("GET", "k", ["Host": "evil.example"], nil), ("GET", "k", ["Authorization": "Bearer junk"], nil),
                ("GET", "k", ["Authorization": ""], nil), ("GET", "%00", [:], nil),
            ]
            requests.append(("PUT", "k", [:], String(repeating: "v", count: (256 << 10) + 1)))
            for hasPrimary in [true, false] {
                if !hasPrimary { node.core.losePrimary() }
                for (method, target, fields, body) in requests {
                    let all = ada.merging(fields) { $1 }
                    let direct = try await node.send(method, "/mesh/v1/kv/" + target, all, body: body)
                    let other = try await node.send(method, Self.detour + target, all, body: body)
                    let name = "\(method) \(target) \(fields)"
                    #expect(direct.status == other.status && direct.body == other.body, "\(name)")
                    #expect(
                        direct.fields.filter { $0.key != "date" } == other.fields.filter { $0.key != "date" }, "\(name)"
                    )
                    #expect(direct.fields["date"]?.hasSuffix("GMT") ?? false, "\(name)")
                }
            }
        }
    }

    @Test("requests for both sides share a connection, and are answered in order")
    func pipelined() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let requests = [
                GatewayTestClient.request("PUT", "/mesh/v1/kv/k", ada, body: "one"),
                GatewayTestClient.request("GET", "/mesh/v1/kv/k", ada),
                GatewayTestClient.request("GET", "/health/live", [:]),
                GatewayTestClient.request("PUT", "/mesh/v1/kv/k", ada, body: "two"),
                GatewayTestClient.request("GET", "/mesh/v1/auth/me", ada),
                GatewayTestClient.request("GET", "/mesh/v1/kv/k", ada),
                GatewayTestClient.request("DELETE", "/mesh/v1/kv/k", ada),
                GatewayTestClient.request("GET", "/mesh/v1/kv/k", ada),
            ]
            let answers = try await GatewayTestClient.raw(requests.joined(), port: node.port, count: requests.count)
            #expect(answers.map(\.status) == [201, 200, 200, 204, 200, 200, 204, 404])
            #expect(answers[1].body == "one" && answers[5].body == "two")
            #expect(answers[4].body.contains("ada"))
        }
    }

    @Test("who sends several requests and then no more gets all the answers")
    func pipelinedThenEnded() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let requests = (1...4).map { GatewayTestClient.request("PUT", "/mesh/v1/kv/k\($0)", ada, body: "v") }
            let answers = try await GatewayTestClient.raw(
                requests.joined(), port: node.port, count: 5, thenEndsSending: true)
            #expect(answers.map(\.status) == [201, 201, 201, 201])
        }
    }

    @Test("a client that leaves in the middle of a value stores nothing")
    func leaves() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let token = try #require(ada["Authorization"])
            let head =
                "PUT /mesh/v1/kv/k HTTP/1.1\r\nHost: localhost\r\nAuthorization: \(token)\r\nContent-Length: 10\r\n\r\n"
            let client = Task { try await node.sendRaw(head + "half") }
            try await Task.sleep(for: .milliseconds(50))
            client.cancel()
            _ = try? await client.value
            #expect(try await node.get("/mesh/v1/kv/k", ada).status == 404)
        }
    }

    @Test("the limit of requests counts values, too")
    func limited() async throws {
        var limits = NodeConfig.Limits()
        limits.requestsPerMinutePerUser = 3
        try await TestNode.run(limits: limits) { node async throws in
            let ada = try await node.bearer()
            var statuses: [Int] = []
            for _ in 0..<5 { statuses.append(try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "v").status) }
            #expect(statuses == [201, 204, 204, 429, 429])
        }
    }

    @Test(
        "RFC 9110 §5.6.7: dates of HTTP's fields",
        arguments: [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        ] as [(Int64, String)])
    func dates(seconds: Int64, text: String) {
        #expect(Timestamp.httpDate(seconds) == text)
    }
}
