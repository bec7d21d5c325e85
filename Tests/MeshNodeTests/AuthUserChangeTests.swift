import Authority
import Foundation
import MeshNode
import NodeCore
import Testing

/// Changing who may do what: passwords, roles, and everybody's sessions of one name (docs/API.md).
@Suite("Changing users")
struct AuthUserChangeTests {
    @Test("one's own password takes the present one; other sessions end, the one that asks goes on")
    func ownPassword() async throws {
        try await TestNode.run { node in
            let mine = try await node.bearer("bob", TestNode.bobPassword)
            let other = try await node.bearer("bob", TestNode.bobPassword)
            let path = "/mesh/v1/users/bob/password"
            let blind = try await node.send("PUT", path, mine, body: #"{"password":"a new password"}"#)
            #expect(blind.status == 400, "\(blind.body)")
            let wrong = try await node.send(
                "PUT", path, mine, body: #"{"password":"a new password","current_password":"guess"}"#)
            #expect(wrong.problem == "wrong-credentials")
            let right = try await node.send(
                "PUT", path, mine, body: #"{"password":"a new password","current_password":"\#(TestNode.bobPassword)"}"#
            )
            #expect(right.status == 204, "\(right.body)")
            #expect(try await node.login("bob", TestNode.bobPassword).status == 401)
            #expect(try await node.login("bob", "a new password").status == 200)
            #expect(try await node.get("/mesh/v1/auth/me", mine).status == 200)
            #expect(try await node.get("/mesh/v1/auth/me", other).status == 401)
        }
    }

    @Test("tries at one's own password count like tries to sign in")
    func guessing() async throws {
        var limits = NodeConfig.Limits()
        limits.loginAttemptsPerMinute = 3
        try await TestNode.run(limits: limits) { node in
            let mine = try await node.bearer("bob", TestNode.bobPassword)
            var last = 0
            for _ in 0..<4 {
                last = try await node.send(
                    "PUT", "/mesh/v1/users/bob/password", mine,
                    body: #"{"password":"a new password","current_password":"guess"}"#
                ).status
            }
            #expect(last == 429)
        }
    }

    @Test("another's password takes an admin, and signs that user out everywhere")
    func anothersPassword() async throws {
        try await TestNode.run { node in
            let bob = try await node.bearer("bob", TestNode.bobPassword)
            let body = #"{"password":"a new password","current_password":"\#(TestNode.adaPassword)"}"#
            #expect(try await node.send("PUT", "/mesh/v1/users/ada/password", bob, body: body).status == 403)
            let ada = try await node.bearer()
            #expect(try await node.send("PUT", "/mesh/v1/users/eve/password", ada, body: body).status == 404)
            #expect(
                try await node.send("PUT", "/mesh/v1/users/bob/password", ada, body: #"{"password":"short"}"#).status
                    == 400)
            #expect(try await node.send("PUT", "/mesh/v1/users/bob/password", ada, body: body).status == 204)
            #expect(try await node.get("/mesh/v1/auth/me", bob).status == 401)
            #expect(try await node.get("/mesh/v1/auth/me", ada).status == 200)
            #expect(try await node.login("bob", "a new password").status == 200)
        }
    }

    @Test("a role is an admin's to give, counts at once, and the last admin keeps it")
    func role() async throws {
        try await TestNode.run { node in
            let (ada, bob) = (try await node.bearer(), try await node.bearer("bob", TestNode.bobPassword))
            let path = "/mesh/v1/users/bob/role"
            #expect(try await node.send("PUT", path, bob, body: #"{"role":"admin"}"#).status == 403)
            #expect(try await node.send("PUT", path, ada, body: #"{"role":"king"}"#).status == 400)
            #expect(try await node.send("PUT", path, ada, body: #"{"role":"admin"}"#).status == 204)
            #expect(try await node.get("/mesh/v1/users", bob).status == 200)
            #expect(try await node.send("PUT", "/mesh/v1/users/ada/role", bob, body: #"{"role":"user"}"#).status == 204)
            let last = try await node.send("PUT", path, bob, body: #"{"role":"user"}"#)
            #expect(last.problem == "admin-required", "\(last.body)")
        }
    }

    @Test("all sessions of a name end together, but for the one that asks")
    func allSessions() async throws {
        try await TestNode.run { node in
            let mine = try await node.bearer("bob", TestNode.bobPassword)
            let others = [
                try await node.bearer("bob", TestNode.bobPassword), try await node.bearer("bob", TestNode.bobPassword),
            ]
            #expect(try await node.send("DELETE", "/mesh/v1/auth/sessions", mine).status == 400)
            #expect(try await node.send("DELETE", "/mesh/v1/auth/sessions?user=ada", mine).status == 403)
            let reply = try await node.send("DELETE", "/mesh/v1/auth/sessions?user=bob", mine)
            #expect(reply.json["ended"] as? Int == 2, "\(reply.body)")
            for other in others { #expect(try await node.get("/mesh/v1/auth/me", other).status == 401) }
            #expect(try await node.get("/mesh/v1/auth/me", mine).status == 200)
            let admin = try await node.send("DELETE", "/mesh/v1/auth/sessions?user=bob", node.bearer())
            #expect(admin.json["ended"] as? Int == 1)
        }
    }
}
