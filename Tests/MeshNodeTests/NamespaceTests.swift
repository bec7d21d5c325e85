import Foundation
import Testing

extension RealProcesses {
    /// A real network that really drops what crosses the split. Where none can be made, the scenarios of `simulations/`
    /// are all that says how the mesh splits.
    @Suite("A real split", .timeLimit(.minutes(3)))
    struct NamespaceTests {
        private static let names = ["aurora", "vengeance", "runpod-tx", "robbiebook1", "sark"]

        @Test(
            "2|3 with the primary in the minority: it refuses new sessions, the majority serves, healing needs no hand")
        func split() async throws {
            if let obstacle = await NetworkNamespaces.obstacle() {
                let message =
                    "SKIPPED, no real split was tried: \(obstacle). To try it, run the tests as root on Linux with iproute2 and iptables."
                FileHandle.standardError.write(Data("\n*** \(message)\n\n".utf8))
                try Test.cancel("\(message)")
            }
            try await withFolder { folder in
                try await NetworkNamespaces.run(count: Self.names.count) { net in
                    let configs = try writeConfigs(in: folder, net)
                    let made = try await ChildProcess.runMeshNode(["init", "--json"] + configs)
                    guard made.status == 0 else { throw DemoTrouble("init failed: \(made.complaints)") }
                    let password = try #require(
                        try JSONDecoder().decode(JSONDocument.self, from: Data(made.output.utf8))["password"].text)
                    var agents: [ChildProcess] = []
                    do {
                        for (index, config) in configs.enumerated() {
                            agents.append(
                                try net.start(
                                    index + 1, try DemoProcess.binary().path,
                                    ["run", "--config", config, "--until-input-ends"]))
                        }
                        try await splitAndHeal(net, password: password)
                    } catch {
                        for agent in agents { await agent.stop() }
                        let tails = zip(Self.names, agents).map { "--- \($0): \($1.complaints.suffix(600))" }
                        throw DemoTrouble("\(error)\n\(tails.joined(separator: "\n"))")
                    }
                    for agent in agents { await agent.stop() }
                }
            }
        }

        private func splitAndHeal(_ net: NetworkNamespaces, password: String) async throws {
            let clients = (1...5).map { NodeClient(name: Self.names[$0 - 1], base: "http://\(net.address($0)):3000") }
            let (minority, majority) = (Array(clients.prefix(2)), Array(clients.dropFirst(2)))
            let old = try await poll("a login works", within: .seconds(20)) {
                let reply = try await clients[1].tryLogin("admin", password)
                return reply.status == 200 ? try clients[1].session(reply) : nil
            }
            try await agree(clients, on: ["aurora"], old.accessToken, "before the split")

            try await net.cut([1, 2], from: [3, 4, 5])
            let cut = ContinuousClock.now
            let successors = Set(Self.names.dropFirst(2))
            try await agree(majority, on: successors, old.accessToken, "in the majority")
            let during = try await poll("the majority serves logins", within: .seconds(20)) {
                let reply = try await majority[1].tryLogin("admin", password)
                return reply.status == 200 ? try majority[1].session(reply) : nil
            }
            print("the majority serves logins \(ContinuousClock.now - cut) after the cut")
            for client in majority { #expect(try await client.signedIn(during.accessToken).me().status == 200) }
            for client in minority {
                try await pollUntil("\(client.name) names no primary", within: .seconds(20)) {
                    let reply = try await client.signedIn(old.accessToken).get("/mesh/v1/status")
                    return reply.status == 200 && reply.json["primary"] == .null
                }
                let refused = try await client.tryLogin("admin", password)
                #expect(refused.status == 503, "\(refused.description)")
                #expect(refused.json["type"].text == "urn:meshnode:problem:no-quorum", "\(refused.description)")
                #expect(refused.fields["retry-after"] != nil)
                #expect(
                    try await client.signedIn(old.accessToken).me().status == 200, "a session from before goes on there"
                )
            }

            try await net.heal()
            let healed = ContinuousClock.now
            try await agree(clients, on: Set(Self.names), old.accessToken, "after healing")
            print("all five agree \(ContinuousClock.now - healed) after healing")
            for client in clients {
                for (kind, token) in [("old", old.accessToken), ("new", during.accessToken)] {
                    try await pollUntil("\(client.name) honours the \(kind) session", within: .seconds(5)) {
                        try await client.signedIn(token).me().status == 200
                    }
                }
            }
            #expect(try await minority[0].tryLogin("admin", password).status == 200)
        }

        private func agree(_ clients: [NodeClient], on allowed: Set<String>, _ token: String, _ when: String)
            async throws
        {
            try await pollUntil("\(clients.map(\.name)) agree \(when)", within: .seconds(60)) {
                var named: Set<String> = []
                for client in clients {
                    guard let primary = try await client.signedIn(token).primary() else {
                        throw DemoTrouble("\(client.name) names nobody")
                    }
                    named.insert(primary)
                }
                guard named.count == 1, named.isSubset(of: allowed) else {
                    throw DemoTrouble("they name \(named.sorted())")
                }
                return true
            }
        }

        private func writeConfigs(in folder: URL, _ net: NetworkNamespaces) throws -> [String] {
            try Self.names.enumerated().map { index, name in
                let peers = Self.names.enumerated().filter { $0.offset != index }
                    .map { "  - {name: \($0.element), mesh: \(net.address($0.offset + 1)):7946}" }
                let path = folder.appendingPathComponent("\(name).yaml")
                let text = """
                    name: \(name)
                    rank: \(name == "aurora" ? 100 : 0)
                    data_dir: data/\(name)
                    secrets_file: \(name).secrets.yaml
                    mesh:
                      listen: \(net.address(index + 1)):7946
                    http:
                      listen: \(net.address(index + 1)):3000
                      plain_networks: [\(net.network)]
                    peers:
                    \(peers.joined(separator: "\n"))

                    """
                try Data(text.utf8).write(to: path)
                return path.path
            }
        }
    }
}
