import Authority
import Foundation
import MeshNode
import NodeCore
import Primitives
import Testing

@Suite("Browsers: a cookie and a header secret, neither alone", .timeLimit(.minutes(1)))
struct AuthBrowserTests {
    /// What the page and the browser hold after a sign-in.
    private struct Browser {
        let cookie: String
        let secret: String
        var fields: [String: String] { ["Cookie": "other=1; \(cookie); x=y", "X-Mesh-Session-Secret": secret] }
    }

    private func signIn(_ node: TestNode) async throws -> Browser {
        let reply = try await node.login("ada", TestNode.adaPassword, ["X-Mesh-Client": "browser"])
        #expect(reply.status == 200)
        #expect(reply.json["access_token"] == nil && reply.json["refresh_token"] == nil)
        let field = try #require(reply.fields["set-cookie"])
        #expect(field.hasPrefix("mesh_\(node.core.me.description.prefix(8))="))
        for part in ["HttpOnly", "SameSite=Strict", "Path=/mesh"] { #expect(field.contains("; \(part)")) }
        return Browser(
            cookie: String(field.split(separator: ";")[0]),
            secret: try #require(reply.json["session_secret"] as? String))
    }

    @Test("with both, the browser is signed in; logging out removes the cookie and ends the session")
    func signInAndOut() async throws {
        try await TestNode.run { node async throws in
            let browser = try await signIn(node)
            let me = try await node.get("/mesh/v1/auth/me", browser.fields)
            #expect(me.status == 200 && me.json["username"] as? String == "ada")
            let out = try await node.post("/mesh/v1/auth/logout", "{}", browser.fields)
            #expect(out.status == 204 && out.fields["set-cookie"]?.contains("Max-Age=0") == true)
            #expect(try await node.get("/mesh/v1/auth/me", browser.fields).status == 401)
        }
    }

    @Test("a cookie without its secret, with a wrong one, or with another sign-in's counts for nothing")
    func cookieAlone() async throws {
        try await TestNode.run { node async throws in
            let browser = try await signIn(node)
            let other = try await signIn(node)
            for secret in [nil, "", "guess", other.secret, browser.secret + " "] as [String?] {
                var fields = ["Cookie": browser.cookie]
                fields["X-Mesh-Session-Secret"] = secret
                let trimmed = secret == browser.secret + " "  // HTTP trims the field, so this is the right one
                #expect(
                    try await node.get("/mesh/v1/auth/me", fields).status == (trimmed ? 200 : 401),
                    "\(secret ?? "none")")
            }
            #expect(try await node.get("/mesh/v1/auth/me", ["X-Mesh-Session-Secret": browser.secret]).status == 401)
        }
    }

    @Test("a changed cookie and another node's cookie count for nothing")
    func forgedCookie() async throws {
        try await TestNode.run { node async throws in
            let browser = try await signIn(node)
            let name = browser.cookie.prefix { $0 != "=" }
            let value = browser.cookie.dropFirst(name.count + 1)
            let flipped = (value.first == "A" ? "B" : "A") + value.dropFirst()
            for cookie in [
                "\(name)=\(flipped)", "\(name)=", "\(name)=AAAA", "mesh_00000000=\(value)", "\(name)\(value)",
            ] {
                let fields = ["Cookie": cookie, "X-Mesh-Session-Secret": browser.secret]
                #expect(try await node.get("/mesh/v1/auth/me", fields).status == 401, "\(cookie)")
            }
            try await TestNode.run { second async throws in
                let stranger = "mesh_\(second.core.me.description.prefix(8))=\(value)"
                let fields = ["Cookie": stranger, "X-Mesh-Session-Secret": browser.secret]
                #expect(try await second.get("/mesh/v1/auth/me", fields).status == 401)
            }
        }
    }

    @Test("cookies never count for /api, /v1 and /metrics; a token made from one does")
    func tokenFromCookie() async throws {
        try await TestNode.run { node async throws in
            let browser = try await signIn(node)
            for target in ["/api/tags", "/v1/models", "/metrics"] {
                #expect(try await node.get(target, browser.fields).status == 401, "\(target)")
            }
            let reply = try await node.post("/mesh/v1/auth/token", "{}", browser.fields)
            let token = try #require(reply.json["access_token"] as? String)
            #expect(reply.json["expires_in"] as? Int == 1800)
            let bearer = ["Authorization": "Bearer \(token)"]
            #expect(try await node.get("/metrics", bearer).status == 200)
            #expect(try await node.post("/mesh/v1/auth/token", "{}", bearer).status == 400)
        }
    }

    @Test("the session behind a cookie is refreshed when it is due, once, and a stale cookie never ends it")
    func renewal() async throws {
        try await TestNode.run { node async throws in
            let browser = try await signIn(node)
            #expect(try await node.get("/mesh/v1/status", browser.fields).fields["set-cookie"] == nil)
            node.core.advance(by: .seconds(7 * 3600))
            let renewed = try await node.get("/mesh/v1/status", browser.fields)
            let cookie = try #require(renewed.fields["set-cookie"]?.split(separator: ";").first.map(String.init))
            #expect(cookie != browser.cookie)
            let session = try #require(node.core.view.authority.sessions.sorted.first)
            #expect(session.lastRefreshedAt > session.createdAt)

            node.core.advance(by: .seconds(7 * 3600))
            let stale = try await node.get("/mesh/v1/status", browser.fields)
            #expect(stale.status == 200 && stale.fields["set-cookie"] == nil)
            let fresh = Browser(cookie: cookie, secret: browser.secret)
            #expect(try await node.get("/mesh/v1/status", fresh.fields).fields["set-cookie"] != nil)
            #expect(node.core.view.authority.sessions.count == 1)
        }
    }

    @Test("a session that nobody used for a week is over, by cookie too")
    func lapse() async throws {
        try await TestNode.run { node async throws in
            let browser = try await signIn(node)
            node.core.advance(by: .seconds(7 * 24 * 3600))
            #expect(try await node.get("/mesh/v1/status", browser.fields).status == 401)
        }
    }
}
