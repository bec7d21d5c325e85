import Authority
import Foundation
import MeshNode
import NodeCore
import Testing

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Who comes in through the local socket, and how far that reaches (docs/CLI.md).
@Suite("Through the local socket")
struct LocalDoorTests {
    @Test("the agent's own user is an administrator that no table knows, called after the node")
    func principal() async throws {
        try await LocalNode.run { local in
            let me = try await local.send("GET", "/mesh/v1/auth/me")
            #expect(me.json["username"].text == "local@aurora", "\(me.description)")
            #expect(me.json["role"].text == "admin")
            #expect(me.json["session_id"] == .null)
            #expect(try await local.send("GET", "/mesh/v1/users").json["users"].list.count == 2)
            #expect(local.node.core.view.authority.users[UserName("local@aurora")!] == nil)
        }
    }

    @Test("a value that was stored through it names it as its author")
    func author() async throws {
        try await LocalNode.run { local in
            let reply = try await local.send("PUT", "/mesh/v1/kv/a", "1")
            #expect(reply.status == 201, "\(reply.description)")
            #expect(local.node.core.view.authority.values[ValueKey("a")!]?.author.text == "local@aurora")
        }
    }

    @Test(
        "nothing acts for a person: no sign-in, no refresh, no key, no prompt",
        arguments: [
            ("POST", "/mesh/v1/auth/login", #"{"username":"ada","password":"correct horse"}"#),
            ("POST", "/mesh/v1/auth/refresh", #"{"refresh_token":"x"}"#), ("POST", "/mesh/v1/auth/token", "{}"),
            ("POST", "/mesh/v1/auth/logout", "{}"), ("POST", "/mesh/v1/keys", #"{"role":"admin"}"#),
            ("POST", "/api/chat", "{}"), ("POST", "/v1/chat/completions", "{}"), ("GET", "/", ""),
        ])
    func nothingForPeople(method: String, path: String, body: String) async throws {
        try await LocalNode.run { local in
            let before = local.node.core.submitted.count
            let reply = try await local.send(method, path, body)
            #expect(reply.status == 403)
            #expect(reply.json["type"].text == "urn:meshnode:problem:not-through-socket", "\(reply.description)")
            #expect(local.node.core.submitted.count == before)
        }
    }

    @Test("a person's credential does not count there: the caller stays the agent's user")
    func bearerIsIgnored() async throws {
        try await LocalNode.run { local in
            let fields = try await local.node.bearer("bob", TestNode.bobPassword)
            let host = local.socket.path.replacingOccurrences(of: "/", with: "%2F")
            let reply = try await NodeClient(name: "aurora", base: "http+unix://\(host)").send(
                "GET", "/mesh/v1/auth/me", fields: fields.merging(["Host": "localhost"]) { $1 })
            #expect(reply.json["username"].text == "local@aurora")
        }
    }

    @Test("on an edge node, what belongs to people is closed and the mesh can be looked at")
    func edge() async throws {
        try await LocalNode.run(trustClass: .edge) { local in
            for path in [
                "/mesh/v1/users", "/mesh/v1/kv", "/mesh/v1/locks", "/mesh/v1/keys?all=true",
                "/mesh/v1/auth/sessions?all=true",
            ] {
                #expect(try await local.send("GET", path).status == 403, "\(path)")
            }
            let change = try await local.send("PUT", "/mesh/v1/users/bob/password", #"{"password":"something else"}"#)
            #expect(change.status == 403)
            let token = try await local.send("POST", "/mesh/v1/tokens", "{}")
            #expect(token.json["type"].text == "urn:meshnode:problem:not-core", "\(token.description)")
            #expect(local.node.core.submitted.isEmpty)
            for path in ["/mesh/v1/status", "/health/ready", "/metrics"] {
                #expect(try await local.send("GET", path).status == 200, "\(path)")
            }
        }
    }

    @Test("leaving is asked for there and nowhere else")
    func leaving() async throws {
        try await LocalNode.run { local in
            let fields = try await local.node.bearer()
            #expect(try await local.node.post("/mesh/v1/leave", "{}", fields).status == 404)
            let reply = try await local.send("POST", "/mesh/v1/leave")
            #expect(reply.status == 202, "\(reply.description)")
            #expect(reply.json["node"].text == "aurora")
            #expect(reply.json["pid"].number == Double(getpid()))
        }
    }

    @Test("no person may have a name that nodes' command lines have")
    func reservedNames() async throws {
        try await TestNode.run { node in
            let reply = try await node.post(
                "/mesh/v1/users", #"{"username":"local@aurora","password":"long enough"}"#, node.bearer())
            #expect(reply.status == 400)
            #expect(reply.problem == "invalid-request")
        }
    }

    @Test("another user's connection is answered with 403 on every path, and nothing is served to it")
    func wrongUser() async throws {
        try await LocalNode.run(owner: geteuid() + 1) { local in
            for path in ["/health/live", "/mesh/v1/status", "/mesh/v1/users", "/nothing"] {
                let reply = try await local.send("GET", path)
                #expect(reply.status == 403, "\(reply.description)")
                #expect(reply.json["type"].text == "urn:meshnode:problem:wrong-user")
                #expect(reply.fields["connection"] == "close")
            }
            _ = try await local.send("PUT", "/mesh/v1/kv/a", "1")
            #expect(local.node.core.submitted.isEmpty)
        }
    }
}
