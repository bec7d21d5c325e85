import Authority
import Crypto
import Foundation
import MeshNode
import NodeCore
import Primitives
import Raft
import SecureChannel
import Testing

/// Takes tokens apart and puts them together wrongly.
enum TestToken {
    static func parts(_ token: String) -> [String] { token.split(separator: ".").map(String.init) }

    static func claims(_ token: String) throws -> [String: Any] { try object(parts(token)[1]) }

    static func object(_ part: String) throws -> [String: Any] {
        var text = part.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        text += String(repeating: "=", count: (4 - text.count % 4) % 4)
        let data = try #require(Data(base64Encoded: text))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    static func encode(_ object: [String: Any]) throws -> String {
        encode(try JSONSerialization.data(withJSONObject: object, options: .sortedKeys))
    }

    static func encode(_ data: Data) -> String {
        data.base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
    }

    static func sign(_ header: [String: Any], _ claims: [String: Any], _ key: Curve25519.Signing.PrivateKey) throws
        -> String
    {
        let signed = try encode(header) + "." + encode(claims)
        return signed + "." + encode(try key.signature(for: Data(signed.utf8)))
    }
}

@Suite("Tokens that are not ours, or not any more", .timeLimit(.minutes(1)))
struct AuthTokenTests {
    private func status(_ node: TestNode, _ token: String) async throws -> Int {
        try await node.get("/mesh/v1/auth/me", ["Authorization": "Bearer \(token)"]).status
    }

    @Test("RFC 8725 §3.1: no other algorithm counts, least of all none")
    func algorithms() async throws {
        try await TestNode.run { node async throws in
            let token = try #require(try await node.login().json["access_token"] as? String)
            let parts = TestToken.parts(token)
            for algorithm in ["none", "None", "HS256", "ES256", ""] {
                var header = try TestToken.object(parts[0])
                header["alg"] = algorithm
                let head = try TestToken.encode(header)
                #expect(try await status(node, "\(head).\(parts[1]).\(parts[2])") == 401, "alg \(algorithm)")
                #expect(try await status(node, "\(head).\(parts[1]).") == 401, "alg \(algorithm), no signature")
            }
            #expect(try await status(node, token) == 200)
        }
    }

    @Test("a changed payload, a changed signature, another key and an unknown kid are refused")
    func forgeries() async throws {
        try await TestNode.run { node async throws in
            let token = try #require(try await node.login("bob", TestNode.bobPassword).json["access_token"] as? String)
            #expect(try await status(node, token) == 200)
            let parts = TestToken.parts(token)
            let header = try TestToken.object(parts[0])
            var claims = try TestToken.claims(token)
            claims["sub"] = "ada"
            let other = Curve25519.Signing.PrivateKey()
            #expect(try await status(node, "\(parts[0]).\(TestToken.encode(claims)).\(parts[2])") == 401)
            #expect(try await status(node, TestToken.sign(header, claims, other)) == 401)
            var unknown = header
            unknown["kid"] = String(repeating: "0", count: 32)
            #expect(try await status(node, TestToken.sign(unknown, TestToken.claims(token), other)) == 401)
            let flipped = parts[2].prefix(1) == "A" ? "B" : "A"
            #expect(try await status(node, "\(parts[0]).\(parts[1]).\(flipped)\(parts[2].dropFirst())") == 401)
        }
    }

    @Test(
        "what no token of ours looks like is refused, and the node lives on",
        arguments: [
            "", ".", "..", "...", "a.b.c", "Bearer", "mesh_", "mesh_00_AA", String(repeating: "A", count: 5000),
            "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhZGEifQ.AAAA",
        ])
    func malformed(_ token: String) async throws {
        try await TestNode.run { node async throws in
            let reply = try await node.get("/mesh/v1/status", ["Authorization": "Bearer \(token)"])
            #expect(reply.status == 401)
            #expect(try await node.get("/health/live").status == 200)
        }
    }

    @Test("schemes other than Bearer are refused", arguments: ["Basic YWRhOng=", "Bearer", "Digest x", "bearer a b"])
    func schemes(_ value: String) async throws {
        try await TestNode.run { node async throws in
            #expect(try await node.get("/mesh/v1/status", ["Authorization": value]).status == 401)
        }
    }

    @Test("a token expires 1800 s after it was issued, to the second")
    func expiry() async throws {
        try await TestNode.run { node async throws in
            let token = try #require(try await node.login().json["access_token"] as? String)
            node.core.advance(by: .seconds(1799))
            #expect(try await status(node, token) == 200)
            node.core.advance(by: .seconds(1))
            #expect(try await status(node, token) == 401)
        }
    }

    @Test("a session that was ended elsewhere takes its token along, though the signature was remembered as good")
    func revokedSession() async throws {
        try await TestNode.run { node async throws in
            let reply = try await node.login()
            let token = try #require(reply.json["access_token"] as? String)
            #expect(try await status(node, token) == 200)
            let id = try #require(SessionID(hex: reply.json["session_id"] as? String ?? ""))
            node.core.apply(.revokeSession(id))
            #expect(try await status(node, token) == 401)
        }
    }

    @Test("retiring a node's key refuses its tokens, though the signature was remembered as good")
    func retiredKey() async throws {
        try await TestNode.run { node async throws in
            let token = try #require(try await node.login().json["access_token"] as? String)
            #expect(try await status(node, token) == 200)
            node.core.apply(.retireSigningKey(node.secrets.tokenKey.id))
            #expect(try await status(node, token) == 401)
        }
    }

    @Test("role comes from the user table, not from the claim")
    func rolesFromTheTable() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            #expect(try await node.get("/mesh/v1/users", fields).status == 200)
            let verifier = try #require(PasswordChecker.makeVerifier("another admin", limits: .minimal))
            node.core.apply(.createUser(name: UserName("grace")!, verifier: verifier, role: .admin))
            node.core.apply(.setRole(name: UserName("ada")!, role: .user))
            #expect(try await node.get("/mesh/v1/users", fields).status == 403)
        }
    }

    @Test("on a node that is cut off, known sessions go on and the reply says so")
    func cutOff() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            node.core.losePrimary()
            let reply = try await node.get("/mesh/v1/status", fields)
            #expect(reply.status == 200)
            #expect(reply.fields["x-mesh-freshness"] == "cut-off")
            #expect(reply.json["primary"] is NSNull)
            #expect(try await node.post("/mesh/v1/auth/logout", "{}", fields).problem == "no-quorum")
        }
    }

    @Test("a key that an edge node published under an older program counts for nothing, and is not shown")
    func edgeKey() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            #expect(try await node.get("/mesh/v1/auth/me", fields).status == 200)
            for (trustClass, status, count) in [(TrustClass.core, 200, 1), (.edge, 401, 0)] {
                let genesis = Genesis(
                    cluster: Array(repeating: 9, count: 16),
                    members: [
                        Genesis.Member(
                            name: "aurora", node: node.core.me, replica: ReplicaID(1), rank: 0, isVoter: true,
                            trustClass: trustClass)
                    ])
                node.core.setRoster(try #require(Roster(genesis)))
                #expect(try await node.get("/mesh/v1/auth/me", fields).status == status)
                let keys = try await node.get("/.well-known/jwks.json").json["keys"] as? [Any]
                #expect(keys?.count == count)
            }
            let login = try await node.login()
            #expect(login.status == 503 && login.problem == "no-core-node", "and it signs nobody in")
        }
    }

    @Test("the key set holds the key that verifies the token")
    func keySet() async throws {
        try await TestNode.run { node async throws in
            let token = try #require(try await node.login().json["access_token"] as? String)
            let reply = try await node.get("/.well-known/jwks.json")
            let keys = try #require(reply.json["keys"] as? [[String: Any]])
            let kid = try #require(try TestToken.object(TestToken.parts(token)[0])["kid"] as? String)
            let key = try #require(keys.first { $0["kid"] as? String == kid })
            #expect(key["kty"] as? String == "OKP" && key["crv"] as? String == "Ed25519")
            #expect(key["x"] as? String == TestToken.encode(Data(node.secrets.tokenKey.publicKey.bytes)))
        }
    }
}
