import Foundation
import Testing

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

extension RealProcesses {
    /// robbiebook1 and runpod-tx are of class edge: they can be stolen, and are rented.
    @Suite("Five processes: signing in at machines that are not trusted", .timeLimit(.minutes(2)))
    struct EdgeSignInTests {
        private func browser(_ client: NodeClient, _ user: String, _ password: String) async throws -> [String: String]
        {
            let reply = try await client.send(
                "POST", "/mesh/v1/auth/login",
                body: Data(#"{"username": "\#(user)", "password": "\#(password)"}"#.utf8),
                fields: ["Content-Type": "application/json", "X-Mesh-Client": "browser"])
            #expect(reply.status == 200 && reply.json["access_token"].text == nil, "\(reply.description)")
            return try browser(reply, secret: try #require(reply.json["session_secret"].text))
        }

        /// What a browser sends after this answer.
        private func browser(_ reply: NodeClient.Reply, secret: String) throws -> [String: String] {
            let cookie = try #require(reply.fields["set-cookie"]?.split(separator: ";").first, "\(reply.description)")
            return [
                "Cookie": String(cookie), "X-Mesh-Session-Secret": secret, "Content-Type": "application/json",
            ]
        }

        @Test(
            "edge nodes check no password and sign no token: core nodes do, and people sign in at any node all the same"
        )
        func passedOn() async throws {
            try await FiveNodes.run { nodes in
                let edges = ["robbiebook1", "runpod-tx"]
                for name in edges {
                    let session = try await nodes.login(on: name)
                    for client in nodes.all {
                        #expect(try await client.signedIn(session.accessToken).me().status == 200)
                    }
                    let here = nodes[name].signedIn(session.accessToken)
                    let own = try await here.get("/mesh/v1/auth/sessions").json["sessions"].list
                    #expect(own.first { $0["id"].text == session.sessionId }?["node"].text == name, "where that was")
                    let refreshed = try nodes[name].session(try await nodes[name].refresh(session.refreshToken))
                    #expect(try await nodes[name].signedIn(refreshed.accessToken).me().status == 200)
                    let key = try await here.post("/mesh/v1/keys", #"{"label": "for \#(name)"}"#)
                    #expect(key.status == 201, "\(key.description)")
                    let wrong = try await nodes[name].tryLogin(nodes.user, "not the password")
                    #expect(wrong.status == 401 && wrong.json["type"].text == "urn:meshnode:problem:wrong-credentials")
                    let added = try await here.post(
                        "/mesh/v1/users", #"{"username": "ada-\#(name)", "password": "analytical engine"}"#)
                    #expect(added.status == 201, "\(added.description)")
                    _ = try await nodes["aurora"].login("ada-\(name)", "analytical engine")
                }
                // The published keys are of those three that may have signed; the tokens above are by one of them.
                let published = try await nodes["runpod-tx"].get("/.well-known/jwks.json").json["keys"].list
                #expect((1...3).contains(published.count))
            }
        }

        @Test(
            "a browser at an edge node: its cookie counts there, buys tokens from a core node, and is replaced each time"
        )
        func browsers() async throws {
            try await FiveNodes.run { nodes in
                let edge = nodes["robbiebook1"]
                let first = try await browser(edge, nodes.user, nodes.password)
                #expect(try await edge.send("GET", "/mesh/v1/auth/me", fields: first).status == 200)
                let bought = try await edge.send("POST", "/mesh/v1/auth/token", body: Data("{}".utf8), fields: first)
                let token = try #require(bought.json["access_token"].text, "\(bought.description)")
                for client in nodes.all { #expect(try await client.signedIn(token).me().status == 200) }
                let secret = try #require(first["X-Mesh-Session-Secret"])
                let second = try browser(bought, secret: secret)
                #expect(second["Cookie"] != first["Cookie"])
                // Of two pages that ask at once the later one is told the same successor.
                let again = try await edge.send("POST", "/mesh/v1/auth/token", body: Data("{}".utf8), fields: first)
                #expect(again.status == 200, "\(again.description)")
                let key = try await edge.send(
                    "POST", "/mesh/v1/keys", body: Data(#"{"label": "a page's"}"#.utf8), fields: second)
                #expect(key.status == 201, "\(key.description)")
                let third = try browser(key, secret: secret)
                #expect(try await edge.send("GET", "/mesh/v1/auth/me", fields: third).status == 200)
                let out = try await edge.send("POST", "/mesh/v1/auth/logout", body: Data("{}".utf8), fields: third)
                #expect(out.status == 204, "\(out.description)")
                #expect(try await edge.signedIn(token).me().status == 401)
            }
        }

        @Test("an edge node that reaches no core node says so, and signs nobody in")
        func alone() async throws {
            try await FiveNodes.run { nodes in
                for core in ["aurora", "vengeance", "sark"] { try await nodes.kill9(core) }
                let edge = nodes["robbiebook1"]
                try await pollUntil("robbiebook1 gives up on the core nodes", within: .seconds(20)) {
                    let reply = try await edge.tryLogin(nodes.user, nodes.password)
                    guard reply.status == 503, reply.json["type"].text == "urn:meshnode:problem:no-core-node" else {
                        throw DemoTrouble(reply.description)
                    }
                    return true
                }
            }
        }
    }
}
