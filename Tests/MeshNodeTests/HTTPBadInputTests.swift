import Foundation
import MeshNode
import NodeCore
import Testing

@Suite("Bad input gets the right status, and the node lives on", .timeLimit(.minutes(1)))
struct HTTPBadInputTests {
    @Test(
        "path tricks are refused before anything is looked up",
        arguments: [
            "/mesh//v1/status", "/mesh/v1/../v1/status", "/mesh/v1/%2e%2e/status", "/mesh/v1/st%61tus%00",
            "/mesh%2Fv1/status",
            "/mesh/v1/status/", "/%", "/mesh\\v1",
        ])
    func paths(_ target: String) async throws {
        try await TestNode.run { node async throws in
            let reply = try await node.get(target, try await node.bearer())
            #expect(reply.status == 400 && reply.problem == "invalid-request")
        }
    }

    @Test(
        "DNS rebinding: a name that is not this node's is answered with 421",
        arguments: [
            "evil.example", "evil.example:3000", "127.0.0.1.evil.example", "localhost.evil.example", "",
            "user@localhost",
            "[::1].evil.example",
        ])
    func hosts(_ host: String) async throws {
        try await TestNode.run { node async throws in
            let reply = try await node.get("/health/live", ["Host": host])
            #expect(reply.status == 421 && reply.problem == "unknown-host")
        }
    }

    @Test(
        "this node's own names are served",
        arguments: ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:3000", "mesh.example"])
    func knownHosts(_ host: String) async throws {
        try await TestNode.run { node async throws in
            #expect(try await node.get("/health/live", ["Host": host]).status == 200)
        }
    }

    @Test(
        "a body that is no JSON, or lacks a field, gets 400 that names it",
        arguments: [
            ("{", "not valid JSON"), ("", "not valid JSON"), ("[]", "JSON object"), ("{}", "`username`"),
            (#"{"username":"ada"}"#, "`password`"), (#"{"username":1,"password":"x"}"#, "`username`"),
            (#"{"username":"ada","password":null}"#, "`password`"), ("\u{0}", "not valid JSON"),
        ])
    func brokenJSON(_ body: String, _ hint: String) async throws {
        try await TestNode.run { node async throws in
            let reply = try await node.post("/mesh/v1/auth/login", body)
            #expect(reply.status == 400 && reply.problem == "invalid-request")
            #expect((reply.json["detail"] as? String ?? "").contains(hint), "\(reply.body)")
        }
    }

    @Test("nobody is made whom no address could name, and so nobody remove", arguments: ["x/y", "x\\\\y", ".", ".."])
    func unaddressableUsers(_ name: String) async throws {
        try await TestNode.run { node async throws in
            let body = #"{"username":"\#(name)","password":"a long password"}"#
            let reply = try await node.post("/mesh/v1/users", body, try await node.bearer())
            #expect(reply.status == 400 && reply.problem == "invalid-request", "\(reply.body)")
        }
    }

    @Test("a write that names no lock, or one that cannot be read, is not taken for one without conditions")
    func misreadConditions() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            for query in ["lock=caf%E9&token=1", "lock=50%&token=1", "token=1", "lock=a"] {
                for method in ["PUT", "DELETE"] {
                    let reply = try await node.send(method, "/mesh/v1/kv/k?" + query, ada, body: "v")
                    #expect(reply.status == 400, "\(method) \(query): \(reply.status)")
                }
            }
            #expect(try await node.get("/mesh/v1/kv/k", ada).status == 404)
        }
    }

    @Test("deeply nested JSON does not bring the node down")
    func nestedJSON() async throws {
        try await TestNode.run { node async throws in
            let body = String(repeating: "[", count: 8000)
            #expect(try await node.post("/mesh/v1/auth/login", body).status == 400)
            #expect(try await node.get("/health/live").status == 200)
        }
    }

    @Test("a body beyond the limit gets 413, declared or not")
    func oversized() async throws {
        try await TestNode.run { node async throws in
            let long = String(repeating: "a", count: 20 << 10)
            #expect(try await node.post("/mesh/v1/auth/login", long).status == 413)
            let lied = try await node.send(
                "POST", "/mesh/v1/auth/login", ["Content-Length": "99999999999"], body: "{}",
                until: { $0.contains("413") })
            #expect(lied.status == 413)
            let chunk = String(repeating: "b", count: 20 << 10)
            let chunked = try await node.sendRaw(
                "POST /mesh/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n" + String(chunk.utf8.count, radix: 16) + "\r\n" + chunk
                    + "\r\n0\r\n\r\n")
            #expect(chunked.status == 413)
        }
    }

    @Test("a method that a path lacks gets 405 with Allow", arguments: ["PUT", "PATCH", "OPTIONS", "DELETE"])
    func methods(_ method: String) async throws {
        try await TestNode.run { node async throws in
            let reply = try await node.send(method, "/mesh/v1/auth/login")
            #expect(reply.status == 405 && reply.problem == "method-not-allowed")
            #expect(reply.fields["allow"] == "POST")
            #expect(reply.fields["access-control-allow-origin"] == nil)
        }
    }

    @Test("an unknown path gets a 404 problem, with or without credentials")
    func unknownPath() async throws {
        try await TestNode.run { node async throws in
            for target in ["/nothing", "/mesh/v1", "/mesh/v2/status", "/api", "/favicon.ico"] {
                let reply = try await node.get(target)
                #expect(reply.status == 404 && reply.problem == "not-found", "\(target)")
            }
        }
    }

    @Test(
        "every path beyond the anonymous ones refuses a caller without credentials",
        arguments: [
            ("GET", "/mesh/v1/status"), ("GET", "/mesh/v1/events"), ("GET", "/metrics"), ("GET", "/mesh/v1/kv"),
            ("PUT", "/mesh/v1/kv/x"), ("DELETE", "/mesh/v1/kv/x"), ("GET", "/mesh/v1/users"),
            ("POST", "/mesh/v1/users"),
            ("POST", "/mesh/v1/keys"), ("POST", "/mesh/v1/route/explain"), ("GET", "/mesh/v1/auth/sessions"),
            ("POST", "/mesh/v1/auth/logout"), ("POST", "/mesh/v1/auth/token"), ("GET", "/api/tags"),
            ("GET", "/v1/models"),
        ])
    func withoutCredentials(_ method: String, _ target: String) async throws {
        try await TestNode.run { node async throws in
            let reply = try await node.send(method, target)
            #expect(reply.status == 401 && reply.problem == "unauthorized")
        }
    }

    @Test("a user who sends more than the limit gets 429 with Retry-After; others go on")
    func requestLimit() async throws {
        var limits = NodeConfig.Limits()
        limits.requestsPerMinutePerUser = 3
        try await TestNode.run(limits: limits) { node async throws in
            let ada = try await node.bearer()
            for _ in 0..<3 { #expect(try await node.get("/mesh/v1/status", ada).status == 200) }
            let refused = try await node.get("/mesh/v1/status", ada)
            #expect(refused.status == 429 && refused.fields["retry-after"] == "20")
            let bob = try await node.bearer("bob", TestNode.bobPassword)
            #expect(try await node.get("/mesh/v1/status", bob).status == 200)
        }
    }

    @Test(
        "bytes that are no HTTP close the connection, and the node lives on",
        arguments: [
            "GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n",
        ])
    func notHTTP(_ text: String) async throws {
        try await TestNode.run { node async throws in
            let reply = try await node.sendRaw(text)
            #expect(reply.status == 400 || reply.status == 0)
            #expect(try await node.get("/health/live").status == 200)
        }
    }
}
