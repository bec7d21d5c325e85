import Authority
import MeshNode
import NodeCore
import Primitives
import Testing

@Suite("Users and API keys", .timeLimit(.minutes(1)))
struct AuthAccountTests {
    @Test("an admin makes a user, who can sign in until removed; then token and sessions are gone")
    func lifeOfAUser() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let made = try await node.post("/mesh/v1/users", #"{"username":"grace","password":"nanoseconds"}"#, ada)
            #expect(made.status == 201 && made.json["role"] as? String == "user")
            let grace = try await node.bearer("grace", "nanoseconds")
            #expect(try await node.get("/mesh/v1/users", grace).problem == "forbidden")
            let users = try await node.get("/mesh/v1/users", ada).json["users"] as? [[String: Any]] ?? []
            #expect(users.map { $0["username"] as? String } == ["ada", "bob", "grace"])
            #expect(!users.contains { $0.keys.contains { $0.contains("pass") || $0.contains("verifier") } })
            #expect(try await node.send("DELETE", "/mesh/v1/users/grace", ada).status == 204)
            #expect(try await node.get("/mesh/v1/auth/me", grace).status == 401)
            #expect(try await node.login("grace", "nanoseconds").status == 401)
        }
    }

    @Test("what makes no user is refused, each with its own answer")
    func refusedUsers() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            func create(_ json: String) async throws -> Reply { try await node.post("/mesh/v1/users", json, ada) }
            #expect(try await create(#"{"username":"bob","password":"long enough"}"#).problem == "user-exists")
            #expect(try await create(#"{"username":"","password":"long enough"}"#).status == 400)
            #expect(try await create(#"{"username":"a\u0000b","password":"long enough"}"#).status == 400)
            #expect(try await create(#"{"username":"x","password":"short"}"#).status == 400)
            #expect(try await create(#"{"username":"x","password":"long enough","role":"god"}"#).status == 400)
            #expect(try await node.send("DELETE", "/mesh/v1/users/nobody", ada).status == 404)
            #expect(try await node.send("DELETE", "/mesh/v1/users/ada", ada).problem == "admin-required")
        }
    }

    @Test("one letter written in two ways is one user name and one password")
    func normalisation() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let made = try await node.post(
                "/mesh/v1/users", #"{"username":"zo\u00eb","password":"caf\u00e9 ol\u00e9"}"#, ada)
            #expect(made.status == 201)
            let decomposed = #"{"username":"zoe\u0308","password":"cafe\u0301 ole\u0301"}"#
            #expect(try await node.post("/mesh/v1/auth/login", decomposed).status == 200)
        }
    }

    @Test("an API key is shown once, works until revoked, and reaches no further than its role")
    func lifeOfAKey() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let made = try await node.post("/mesh/v1/keys", #"{"label":"ci","role":"user"}"#, ada)
            #expect(made.status == 201)
            let secret = try #require(made.json["key"] as? String)
            let id = try #require(made.json["id"] as? String)
            #expect(secret.hasPrefix("mesh_"))
            let key = ["Authorization": "Bearer \(secret)"]
            let me = try await node.get("/mesh/v1/auth/me", key)
            #expect(me.status == 200)
            #expect(me.json["role"] as? String == "user")
            #expect(try await node.get("/mesh/v1/users", key).status == 403)
            #expect(try await node.post("/mesh/v1/keys", "{}", key).problem == "session-needed")
            #expect(try await node.post("/mesh/v1/auth/logout", "{}", key).status == 400)

            let listed = try await node.get("/mesh/v1/keys", ada)
            #expect((listed.json["keys"] as? [[String: Any]])?.first?["label"] as? String == "ci")
            #expect(!listed.body.contains(secret.suffix(43)))
            #expect(try await node.send("DELETE", "/mesh/v1/keys/\(id)", ada).status == 204)
            #expect(try await node.get("/mesh/v1/auth/me", key).status == 401)
            #expect(try await node.send("DELETE", "/mesh/v1/keys/\(id)", ada).status == 404)
        }
    }

    @Test("a node that has yet to hear what the mesh knows asks for patience, and does not call a key unknown")
    func notCaughtUp() async throws {
        try await TestNode.run { node async throws in
            let unknown = ["Authorization": "Bearer \(APIKeySecret.draw().text)"]
            node.core.losePrimary()
            #expect(try await node.get("/mesh/v1/auth/me", unknown).status == 401, "it knew, until it was cut off")
            node.core.forgetPrimary()
            let refused = try await node.get("/mesh/v1/auth/me", unknown)
            #expect(refused.status == 503 && refused.fields["retry-after"] == "1", "\(refused.body)")
            #expect(try await node.get("/v1/models", unknown).status == 503)
        }
    }

    @Test("a field that is not there is refused by name: a misspelt role must not make a key of another role")
    func strayField() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let refused = try await node.post("/mesh/v1/keys", #"{"label": "ci", "rolle": "user"}"#, ada)
            #expect(refused.status == 400 && refused.body.contains("`rolle`") && refused.body.contains("`role`"))
            let listed = try await node.get("/mesh/v1/keys", ada)
            #expect((listed.json["keys"] as? [Any])?.isEmpty == true)
        }
    }

    @Test("a key with one changed character is unknown, whichever it is")
    func wrongKeys() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let made = try await node.post("/mesh/v1/keys", #"{"role":"user"}"#, ada)
            let secret = try #require(made.json["key"] as? String)
            for place in [6, 20, 38, 60, secret.count - 2] {
                var characters = Array(secret)
                characters[place] = characters[place] == "a" ? "b" : "a"
                let fields = ["Authorization": "Bearer \(String(characters))"]
                #expect(try await node.get("/mesh/v1/status", fields).status == 401, "place \(place)")
            }
        }
    }

    @Test("nobody makes a key beyond their own role, or ends another's")
    func rolesOfKeys() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let bob = try await node.bearer("bob", TestNode.bobPassword)
            #expect(try await node.post("/mesh/v1/keys", #"{"role":"admin"}"#, bob).status == 403)
            let adas = try #require(try await node.post("/mesh/v1/keys", "{}", ada).json["id"] as? String)
            #expect(try await node.send("DELETE", "/mesh/v1/keys/\(adas)", bob).status == 404)
            #expect(try await node.get("/mesh/v1/keys?all=true", bob).status == 403)
            #expect((try await node.get("/mesh/v1/keys", bob).json["keys"] as? [Any])?.isEmpty == true)
        }
    }

    @Test("a program's key may prompt and be scraped, and nothing else")
    func serviceKeys() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let secret = try #require(try await node.post("/mesh/v1/keys", "{}", ada).json["key"] as? String)
            let key = ["Authorization": "Bearer \(secret)"]
            #expect(try await node.get("/metrics", key).status == 200)
            for target in ["/mesh/v1/status", "/mesh/v1/kv", "/mesh/v1/keys", "/mesh/v1/auth/sessions"] {
                #expect(try await node.get(target, key).status == 403, "\(target)")
            }
        }
    }
}
