import Authority
import Foundation
import MeshNode
import NodeCore
import Primitives
import SecureChannel
import Testing

@Suite("Signing in and out", .timeLimit(.minutes(1)))
struct AuthLoginTests {
    @Test("a verifier is no help to who guesses without the core key, and older ones go on counting")
    func coreKey() async throws {
        var entropy = SodiumEntropy()
        let (key, other) = (CoreKey.generate(from: &entropy), CoreKey.generate(from: &entropy))
        let keyed = try #require(PasswordChecker.makeVerifier("correct horse", limits: .minimal, coreKey: key))
        let plain = try #require(PasswordChecker.makeVerifier("correct horse", limits: .minimal))
        let hash = String(keyed.encoded.dropFirst(2))
        #expect(PasswordHash.verify(key.mixed(into: "correct horse"), against: hash))
        #expect(!PasswordHash.verify("correct horse", against: hash))
        #expect(!PasswordHash.verify(other.mixed(into: "correct horse"), against: hash))
        let checker = try PasswordChecker(limits: .minimal, coreKey: key)
        #expect(try await checker.verify("correct horse", against: keyed))
        #expect(try await checker.verify("correct horse", against: plain))
        #expect(try await !checker.verify("wrong horse", against: keyed))
        let without = try PasswordChecker(limits: .minimal)
        await #expect(throws: Problem.self) { try await without.verify("correct horse", against: keyed) }
        let core = LocalCore(me: NodeID(high: 1, low: 1))
        core.apply(.createUser(name: UserName("old")!, verifier: plain, role: .admin))
        #expect(try await without.makeVerifier("correct horse", like: core.view.authority.users) != plain)
        core.apply(.createUser(name: UserName("new")!, verifier: keyed, role: .user))
        let users = core.view.authority.users
        await #expect(throws: Problem.self) { try await without.makeVerifier("correct horse", like: users) }
        #expect(try await checker.makeVerifier("correct horse", like: users).encoded.hasPrefix("k1"))
    }

    @Test("a right password brings tokens that live for 1800 s exactly and are good at once")
    func loginAnswersTokens() async throws {
        try await TestNode.run { node async throws in
            let reply = try await node.login()
            #expect(reply.status == 200)
            #expect(reply.json["token_type"] as? String == "Bearer")
            #expect(reply.json["expires_in"] as? Int == 1800)
            #expect(reply.json["scope"] as? String == "mesh")
            #expect(reply.json["username"] as? String == "ada")
            #expect(reply.json["role"] as? String == "admin")
            let token = try #require(reply.json["access_token"] as? String)
            let claims = try TestToken.claims(token)
            let issued = try #require(claims["iat"] as? Int)
            #expect(claims["exp"] as? Int == issued + 1800)
            #expect(claims["sub"] as? String == "ada")
            #expect(claims["sid"] as? String == reply.json["session_id"] as? String)

            let me = try await node.get("/mesh/v1/auth/me", ["Authorization": "Bearer \(token)"])
            #expect(me.status == 200)
            #expect(me.json["username"] as? String == "ada")
            #expect(me.json["node"] as? String == "aurora")
        }
    }

    @Test("a wrong password and an unknown user get the same answer")
    func wrongPassword() async throws {
        try await TestNode.run { node async throws in
            let wrong = try await node.login("ada", "wrong horse")
            let unknown = try await node.login("eve", "wrong horse")
            #expect(wrong.status == 401 && wrong.problem == "wrong-credentials")
            #expect(unknown.status == 401 && unknown.body == wrong.body)
            #expect(node.core.view.authority.sessions.count == 0)
        }
    }

    @Test("tries beyond the limit are refused with 429, while right passwords never use it up")
    func loginLimit() async throws {
        var limits = NodeConfig.Limits()
        limits.loginAttemptsPerMinute = 3
        try await TestNode.run(limits: limits) { node async throws in
            for _ in 0..<5 { #expect(try await node.login().status == 200) }
            for _ in 0..<3 { #expect(try await node.login("ada", "guess").status == 401) }
            let refused = try await node.login()
            #expect(refused.status == 429 && refused.problem == "too-many-requests")
            #expect(refused.fields["retry-after"] == "20")
            node.core.advance(by: .seconds(20))
            #expect(try await node.login().status == 200)
        }
    }

    @Test("tries at many names from one address are limited too")
    func loginLimitBySource() async throws {
        var limits = NodeConfig.Limits()
        limits.loginAttemptsPerMinute = 1
        try await TestNode.run(limits: limits) { node async throws in
            for name in ["a", "b", "c", "d"] { #expect(try await node.login(name, "guess").status == 401) }
            #expect(try await node.login("e", "guess").status == 429)
        }
    }

    @Test("without a primary a sign-in gets 503 no-quorum with Retry-After, and no session")
    func loginWithoutQuorum() async throws {
        try await TestNode.run { node async throws in
            node.core.losePrimary()
            let reply = try await node.login()
            #expect(reply.status == 503 && reply.problem == "no-quorum")
            #expect(reply.fields["retry-after"] != nil)
            #expect(node.core.view.authority.sessions.count == 0)
        }
    }

    @Test("a sign-in whose outcome is unknown says so with 504")
    func loginOutcomeUnknown() async throws {
        try await TestNode.run { node async throws in
            node.core.refuseNext(.outcomeUnknown)
            let reply = try await node.login()
            #expect(reply.status == 504 && reply.problem == "outcome-unknown")
        }
    }

    @Test("a scope other than mesh is refused with 400")
    func scopes() async throws {
        try await TestNode.run { node async throws in
            let body = #"{"username":"ada","password":"correct horse","scope":"node"}"#
            #expect(try await node.post("/mesh/v1/auth/login", body).status == 400)
        }
    }

    @Test("a program's account signs in by API key only")
    func serviceAccount() async throws {
        try await TestNode.run { node async throws in
            let verifier = try #require(PasswordChecker.makeVerifier("machine secret", limits: .minimal))
            node.core.apply(.createUser(name: UserName("bot")!, verifier: verifier, role: .service))
            #expect(try await node.login("bot", "machine secret").status == 403)
        }
    }

    @Test("logging out ends the session, and its token is refused from then on")
    func logout() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            #expect(try await node.get("/mesh/v1/auth/me", fields).status == 200)
            #expect(try await node.post("/mesh/v1/auth/logout", "{}", fields).status == 204)
            let after = try await node.get("/mesh/v1/auth/me", fields)
            #expect(after.status == 401 && after.problem == "unauthorized")
            #expect(after.fields["www-authenticate"]?.hasPrefix("Bearer") == true)
        }
    }

    @Test("a refresh token is exchanged once; its retry gets the same successor, and reuse ends the session")
    func refreshRotation() async throws {
        try await TestNode.run { node async throws in
            let first = try #require(try await node.login().json["refresh_token"] as? String)
            func refresh(_ token: String) async throws -> Reply {
                try await node.post("/mesh/v1/auth/refresh", #"{"refresh_token":"\#(token)"}"#)
            }
            let answer = try await refresh(first)
            #expect(answer.status == 200)
            let second = try #require(answer.json["refresh_token"] as? String)
            #expect(second != first)
            let retry = try await refresh(first)
            #expect(retry.json["refresh_token"] as? String == second)
            let token = try #require(retry.json["access_token"] as? String)
            #expect(try await node.get("/mesh/v1/auth/me", ["Authorization": "Bearer \(token)"]).status == 200)

            #expect(try await refresh(second).status == 200)
            let reuse = try await refresh(first)
            #expect(reuse.status == 401 && reuse.problem == "refresh-reused")
            #expect(node.core.view.authority.sessions.count == 0)
        }
    }

    @Test("made-up refresh tokens never reach the log")
    func refreshNoise() async throws {
        try await TestNode.run { node async throws in
            let before = node.core.submitted.count
            let unknown = "mrt_" + String(repeating: "0", count: 32) + "_" + String(repeating: "A", count: 43)
            for token in ["", "mrt_", "mrt_zz_AAAA", unknown] {
                let reply = try await node.post("/mesh/v1/auth/refresh", #"{"refresh_token":"\#(token)"}"#)
                #expect(reply.status == 401, "token \(token)")
            }
            #expect(node.core.submitted.count == before)
        }
    }

    @Test("sessions are listed to their owner, and an admin sees and ends those of others")
    func sessionList() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let bob = try await node.bearer("bob", TestNode.bobPassword)
            func sessions(_ fields: [String: String], _ query: String = "") async throws -> [[String: Any]] {
                try await node.get("/mesh/v1/auth/sessions\(query)", fields).json["sessions"] as? [[String: Any]] ?? []
            }
            let mine = try await sessions(bob)
            #expect(mine.count == 1)
            #expect(mine.first?["current"] as? Bool == true)
            #expect(mine.first?["username"] as? String == "bob")
            #expect((mine.first?["expires_at"] as? String)?.hasSuffix("Z") == true)
            #expect(try await sessions(ada, "?all=true").count == 2)
            #expect(try await node.get("/mesh/v1/auth/sessions?all=true", bob).status == 403)

            let adas = try #require(try await sessions(ada).first?["id"] as? String)
            let bobs = try #require(mine.first?["id"] as? String)
            #expect(try await node.send("DELETE", "/mesh/v1/auth/sessions/\(adas)", bob).status == 404)
            #expect(try await node.send("DELETE", "/mesh/v1/auth/sessions/junk", bob).status == 404)
            #expect(try await node.send("DELETE", "/mesh/v1/auth/sessions/\(bobs)", ada).status == 204)
            #expect(try await node.get("/mesh/v1/auth/me", bob).status == 401)
        }
    }
}
