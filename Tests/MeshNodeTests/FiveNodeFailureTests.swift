import Foundation
import Testing

extension RealProcesses {
    @Suite("Five processes: kill -9", .timeLimit(.minutes(3)))
    struct FiveNodeFailureTests {
        @Test("the primary killed: another leads, the session goes on, logins work; back by hand, aurora leads again")
        func primaryKilled() async throws {
            try await FiveNodes.run { nodes in
                let session = try await nodes.login(on: "robbiebook1")
                let survivors = nodes.others(than: "aurora")
                try await nodes.kill9("aurora")
                let killed = ContinuousClock.now
                try await pollUntil("a login works again", within: .seconds(15)) {
                    try await nodes["robbiebook1"].tryLogin(nodes.user, nodes.password).status == 200
                }
                print("a login works again \(ContinuousClock.now - killed) after the primary was killed")
                let successor = try await nodes.agreement(
                    among: survivors, token: session.accessToken, within: .seconds(15))
                #expect(successor != "aurora")
                for client in survivors {
                    let reply = try await client.signedIn(session.accessToken).me()
                    #expect(reply.status == 200, "\(client.name): \(reply.description)")
                }
                let during = try await nodes.login(on: "sark")

                try nodes.startByHand("aurora")
                let started = ContinuousClock.now
                _ = try await nodes.agreement(
                    among: nodes.all, token: session.accessToken, within: .seconds(60), on: "aurora")
                print("aurora leads again \(ContinuousClock.now - started) after its start")
                for token in [session.accessToken, during.accessToken] {
                    #expect(try await nodes["aurora"].signedIn(token).me().status == 200)
                }
            }
        }

        #if os(Linux)
            @Test("an idle mesh keeps a stream for each pair, and has it again after one was killed and started")
            func streams() async throws {
                try await FiveNodes.run { nodes in
                    let ports = Set(nodes.demo.nodes.map { Int($0.mesh.split(separator: ":").last ?? "") })
                    func accepted() throws -> Int { try EstablishedTCP.localPorts().count { ports.contains($0) } }
                    try await pollUntil("ten streams stand", within: .seconds(10)) { try accepted() >= 10 }
                    let before = try accepted()
                    try await nodes.kill9("sark")
                    try await pollUntil("sark's are gone", within: .seconds(10)) { try accepted() <= before - 4 }
                    try nodes.startByHand("sark")
                    try await pollUntil("ten streams stand again", within: .seconds(20)) { try accepted() >= 10 }
                }
            }
        #endif

        @Test("all five killed and started again by hand: users, sessions and values are all there")
        func allKilled() async throws {
            try await FiveNodes.run { nodes in
                let session = try await nodes.login(on: "robbiebook1")
                let admin = nodes["vengeance"].signedIn(session.accessToken)
                let made = try await admin.post(
                    "/mesh/v1/users", #"{"username": "ada", "password": "analytical engine"}"#)
                #expect(made.status == 201, "\(made.description)")
                let put = try await admin.send("PUT", "/mesh/v1/kv/motd", body: Data("still here".utf8))
                #expect(put.status == 201, "\(put.description)")
                let ended = try await nodes.login(on: "sark")
                let logout = try await nodes["sark"].signedIn(ended.accessToken).post("/mesh/v1/auth/logout", "{}")
                #expect(logout.status == 204)

                for client in nodes.all { try await nodes.kill9(client.name) }
                for client in nodes.all { try nodes.startByHand(client.name) }
                let started = ContinuousClock.now
                _ = try await nodes.agreement(among: nodes.all, token: session.accessToken, within: .seconds(60))
                print("all five agree on a primary \(ContinuousClock.now - started) after their start")
                for client in nodes.all {
                    #expect(
                        try await client.signedIn(session.accessToken).me().status == 200,
                        "the session on \(client.name)")
                    // 503 until the node has heard what the mesh knows.
                    try await pollUntil("\(client.name) knows that the ended one has ended", within: .seconds(10)) {
                        let status = try await client.signedIn(ended.accessToken).me().status
                        #expect(status != 200, "the ended one on \(client.name)")
                        return status == 401
                    }
                    let value = try await client.signedIn(session.accessToken).get("/mesh/v1/kv/motd")
                    #expect(value.text == "still here", "\(client.name): \(value.description)")
                }
                let ada = try await nodes["runpod-tx"].login("ada", "analytical engine")
                #expect(try await nodes["aurora"].signedIn(ada.accessToken).me().json["username"].text == "ada")
                let refreshed = try await nodes["aurora"].refresh(session.refreshToken)
                #expect(refreshed.status == 200, "\(refreshed.description)")
            }
        }
    }
}

#if os(Linux)
    /// What the kernel says of this machine's TCP connections (proc(5), "net/tcp").
    private enum EstablishedTCP {
        /// The local port of each one that is established, whosever it is.
        static func localPorts() throws -> [Int] {
            // The kernel hands it out a page at a time, and only an empty read is its end.
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/net/tcp"))
            var table = Data()
            while let part = try file.read(upToCount: 4096), !part.isEmpty { table.append(part) }
            return String(decoding: table, as: UTF8.self).split(separator: "\n").dropFirst().compactMap {
                let fields = $0.split(separator: " ")
                guard fields.count > 3, fields[3] == "01" else { return nil }
                return fields[1].split(separator: ":").last.flatMap { Int($0, radix: 16) }
            }
        }
    }
#endif
