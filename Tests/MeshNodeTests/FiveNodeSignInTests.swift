import Foundation
import Testing

extension RealProcesses {
    @Suite("Five processes: signing in", .timeLimit(.minutes(2)))
    struct FiveNodeSignInTests {
        @Test("aurora becomes primary, and all five say so")
        func primary() async throws {
            try await FiveNodes.run { nodes in
                #expect(nodes.demo.ready.primary == "aurora")
                let token = try await nodes.login(on: "sark").accessToken
                for client in nodes.all {
                    let status = try await client.signedIn(token).get("/mesh/v1/status").json
                    #expect(status["primary"].text == "aurora", "as \(client.name) says")
                    #expect(
                        status["members"].list.filter { $0["state"].text == "alive" }.count == 5,
                        "as \(client.name) says")
                    #expect(status["quorum"]["needed"].number == 3)
                }
            }
        }

        @Test("a login on robbiebook1 is good on the other four at once, for 30 minutes to the second")
        func validEverywhere() async throws {
            try await FiveNodes.run { nodes in
                let session = try await nodes.login(on: "robbiebook1")
                // Without any waiting: the first question to each must already be answered with yes.
                for client in nodes.others(than: "robbiebook1") {
                    let reply = try await client.signedIn(session.accessToken).me()
                    #expect(reply.status == 200, "\(client.name): \(reply.description)")
                    #expect(reply.json["session_id"].text == session.sessionId)
                    #expect(reply.json["node"].text == client.name)
                }
                let claims = try TestToken.claims(session.accessToken)
                let (expires, issued) = (try #require(claims["exp"] as? Int), try #require(claims["iat"] as? Int))
                #expect(expires - issued == 1800)
                #expect(session.expiresIn == 1800)
            }
        }

        @Test("a session that was ended on one node is refused by all five right after the answer")
        func logout() async throws {
            try await FiveNodes.run { nodes in
                for node in ["robbiebook1", "aurora"] {
                    let token = try await nodes.login(on: node).accessToken
                    for client in nodes.all { #expect(try await client.signedIn(token).me().status == 200) }
                    let reply = try await nodes[node].signedIn(token).post("/mesh/v1/auth/logout", "{}")
                    #expect(reply.status == 204, "\(reply.description)")
                    let answered = ContinuousClock.now
                    for client in nodes.all {
                        try await pollUntil(
                            "\(client.name) refuses an ended session", within: .seconds(2), every: .milliseconds(1)
                        ) {
                            try await client.signedIn(token).me().status == 401
                        }
                    }
                    print(
                        "logout on \(node): refused by all five within \(ContinuousClock.now - answered) of the answer")
                }
            }
        }

        @Test("a refresh brings a new pair of tokens, and one from two refreshes ago ends the session")
        func refresh() async throws {
            try await FiveNodes.run { nodes in
                let first = try await nodes.login(on: "robbiebook1")
                let sark = nodes["sark"]
                let second = try sark.session(try await sark.refresh(first.refreshToken))
                #expect(second.refreshToken != first.refreshToken)
                #expect(second.accessToken != first.accessToken)
                #expect(second.sessionId == first.sessionId)
                let again = try await nodes["vengeance"].refresh(first.refreshToken)
                #expect(again.json["refresh_token"].text == second.refreshToken, "a repeat brings the same successor")
                let third = try sark.session(try await sark.refresh(second.refreshToken))
                #expect(try await nodes["aurora"].signedIn(third.accessToken).me().status == 200)
                let stale = try await nodes["aurora"].refresh(first.refreshToken)
                #expect(stale.status == 401)
                #expect(stale.json["type"].text == "urn:meshnode:problem:refresh-reused")
                // Others than who answered hear of it a message later.
                try await pollUntil(
                    "robbiebook1 refuses the ended session", within: .seconds(2), every: .milliseconds(1)
                ) {
                    try await nodes["robbiebook1"].signedIn(third.accessToken).me().status == 401
                }
            }
        }

        @Test("everybody sees their own sessions, newest first, and nobody without a valid token")
        func sessions() async throws {
            try await FiveNodes.run { nodes in
                let older = try await nodes.login(on: "vengeance")
                let newer = try await nodes.login(on: "runpod-tx")
                let reply = try await nodes["sark"].signedIn(newer.accessToken).get("/mesh/v1/auth/sessions")
                let sessions = reply.json["sessions"].list
                let ids = sessions.compactMap { $0["id"].text }
                #expect(Array(ids.prefix(2)) == [newer.sessionId, older.sessionId])
                #expect(sessions.prefix(2).map { $0["current"] } == [.bool(true), .bool(false)])
                #expect(sessions.prefix(2).map { $0["node"].text } == ["runpod-tx", "vengeance"])
                #expect(try await nodes["sark"].get("/mesh/v1/auth/sessions").status == 401)

                let admin = nodes["aurora"].signedIn(newer.accessToken)
                let added = try await admin.post(
                    "/mesh/v1/users", #"{"username": "ada", "password": "analytical engine"}"#)
                #expect(added.status == 201)
                let ada = try await nodes["vengeance"].login("ada", "analytical engine")
                let hers = try await nodes["sark"].signedIn(ada.accessToken).get("/mesh/v1/auth/sessions")
                #expect(hers.json["sessions"].list.compactMap { $0["id"].text } == [ada.sessionId])
            }
        }
    }
}
