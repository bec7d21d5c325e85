import Foundation
import Testing

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

extension RealProcesses {
    /// One machine founds a mesh, others join it by token, one is stolen.
    @Suite("Machines that join and are revoked", .timeLimit(.minutes(4)))
    struct JoinAndRevokeTests {
        /// A machine of its own, by name.
        private struct Machine {
            let name: String
            let config: String
            let http: Int
            var data: String { URL(fileURLWithPath: config).deletingLastPathComponent().path + "/data" }
            var client: NodeClient { NodeClient(name: name, base: "http://127.0.0.1:\(http)") }

            init(_ name: String, in folder: URL) throws {
                self.name = name
                let own = folder.appendingPathComponent(name)
                try FileManager.default.createDirectory(at: own, withIntermediateDirectories: true)
                let (http, mesh) = try LoopbackPorts.free()
                self.http = http
                config = own.path + "/\(name).yaml"
                let text = """
                    name: \(name)
                    data_dir: data
                    secrets_file: secrets.yaml
                    mesh:
                      listen: 127.0.0.1:\(mesh)
                    http:
                      listen: 127.0.0.1:\(http)

                    """
                try Data(text.utf8).write(to: URL(fileURLWithPath: config))
            }

            func ask(_ arguments: String...) async throws -> ChildProcess.Outcome {
                try await ChildProcess.runMeshNode(arguments + ["--config", config, "--json"])
            }

            func start() throws -> ChildProcess {
                try .meshNode(["run", "--config", config, "--until-input-ends"])
            }
        }

        private func json(_ outcome: ChildProcess.Outcome) throws -> JSONDocument {
            try JSONDecoder().decode(JSONDocument.self, from: Data(outcome.output.utf8))
        }

        /// Makes a token on `core` and joins with it: what the one command prints is what the other reads.
        private func join(_ machine: Machine, through core: Machine, _ options: String...) async throws -> String {
            let made = try await ChildProcess.runMeshNode(
                ["token", "create", "--config", core.config] + options)
            try #require(made.status == 0, "\(made.complaints)")
            let file = machine.config + ".token"
            try Data(made.output.utf8).write(to: URL(fileURLWithPath: file))
            let joined = try await ChildProcess.runMeshNode(
                ["join", "--config", machine.config, "--token-file", file, "--json"])
            try #require(joined.status == 0, "\(joined.complaints)")
            return file
        }

        private func isFollowing(_ machine: Machine, _ token: String, members: Int) async throws -> Bool {
            let status = try await machine.client.signedIn(token).get("/mesh/v1/status").json
            return status["primary"].text != nil
                && status["members"].list.count { $0["state"].text == "alive" } == members
        }

        @Test("join by token, promotion, restarts of all, revocation of a stolen machine, which learns it and halts")
        func wholeLife() async throws {
            try await withFolder { folder in
                let home = try Machine("home", in: folder)
                let rootKey = folder.appendingPathComponent("root.key").path
                let inside = home.config.replacingOccurrences(of: "home.yaml", with: "data/root.key")
                let misplaced = try await ChildProcess.runMeshNode(["init", home.config, "--root-key", inside])
                #expect(misplaced.status != 0 && misplaced.complaints.contains("data directory of home"))
                let first = try await ChildProcess.runMeshNode(["init", home.config, "--json", "--root-key", rootKey])
                let password = try #require(try json(first)["password"].text, "\(first.complaints)")
                #expect(try json(first)["root_key"] == .null, "it is in its file")
                let mode = try FileManager.default.attributesOfItem(atPath: rootKey)[.posixPermissions] as? Int
                #expect(mode == 0o600)
                var agents: [String: ChildProcess] = ["home": try home.start()]
                defer { for agent in agents.values { agent.signal(SIGKILL) } }
                var session: NodeClient.Session?
                try await pollUntil("home serves", within: .seconds(20)) {
                    session = try? await home.client.login("admin", password)
                    return session != nil
                }
                let token = try #require(session).accessToken

                let second = try Machine("second", in: folder)
                let laptop = try Machine("laptop", in: folder)
                let usedFile = try await join(second, through: home, "--class", "core", "--role", "voter")
                _ = try await join(laptop, through: home, "--role", "voter", "--label", "for the road")
                // What is mixed into passwords, and what opens values, is on core nodes' disks alone.
                for (machine, isCore) in [(home, true), (second, true), (laptop, false)] {
                    for file in ["/core.key", "/data.keys"] {
                        let exists = FileManager.default.fileExists(atPath: machine.data + file)
                        #expect(exists == isCore, "\(machine.name)\(file)")
                    }
                }
                for machine in [second, laptop] { agents[machine.name] = try machine.start() }
                try await pollUntil("all three follow", within: .seconds(30)) {
                    for machine in [home, second, laptop] {
                        guard try await isFollowing(machine, token, members: 3) else { return false }
                    }
                    return true
                }
                try await pollUntil("the two that joined vote", within: .seconds(60)) {
                    try await home.client.signedIn(token).get("/mesh/v1/status").json["quorum"]["voters"].number == 3
                }
                let kept = "what the laptop shall not know"
                let stored = try await home.client.signedIn(token).send(
                    "PUT", "/mesh/v1/kv/kept", body: Data(kept.utf8))
                #expect(stored.status == 201, "\(stored.description)")
                // The token is spent: another machine gets nowhere with it, and learns no secret.
                let thief = try Machine("thief", in: folder)
                let refused = try await ChildProcess.runMeshNode(
                    ["join", "--config", thief.config, "--token-file", usedFile])
                #expect(refused.status == 1 && refused.complaints.contains("used"), "\(refused.complaints)")
                #expect(!FileManager.default.fileExists(atPath: folder.path + "/thief/data/genesis.json"))
                // Nor does an edge node invite anybody.
                let uninvited = try await laptop.ask("token", "create")
                #expect(uninvited.status != 0, "\(uninvited.output)")

                let onLaptop = try await laptop.client.login("admin", password)
                let keys = try await home.client.get("/.well-known/jwks.json").json["keys"].list.count
                #expect(keys == 1, "home's alone: an edge node signs nothing")

                // Everybody is killed at once; those who joined find each other without who was there first.
                for (name, agent) in agents {
                    agent.signal(SIGKILL)
                    _ = try await agent.outcome(within: .seconds(10))
                    agents[name] = nil
                }
                for machine in [second, laptop] { agents[machine.name] = try machine.start() }
                try await pollUntil("the two that joined go on without the first", within: .seconds(40)) {
                    guard try await isFollowing(second, token, members: 2) else { return false }
                    return try await isFollowing(laptop, token, members: 2)
                }
                for machine in [second, laptop] {
                    let read = try await machine.client.signedIn(token).get("/mesh/v1/kv/kept")
                    #expect(read.text == kept, "\(machine.name): \(read.description)")
                }
                agents["home"] = try home.start()
                try await pollUntil("all are back", within: .seconds(40)) {
                    try await isFollowing(home, token, members: 3)
                }

                let revoked = try await second.ask("revoke", "laptop")
                let document = try json(revoked)
                #expect(
                    revoked.status == 0 && document["not_reached"].list.isEmpty,
                    "\(revoked.output)\(revoked.complaints)")
                for machine in [home, second] {
                    let status = try await machine.client.signedIn(token).get("/mesh/v1/status").json
                    #expect(!status["members"].list.contains { $0["name"].text == "laptop" }, "\(machine.name)")
                    #expect(
                        try await machine.client.signedIn(onLaptop.accessToken).me().status == 401, "\(machine.name)")
                }
                #expect(try await home.client.get("/.well-known/jwks.json").json["keys"].list.count == 1)
                try await pollUntil("the secret is another one", within: .seconds(20)) {
                    let secret = try await home.client.signedIn(token).get("/mesh/v1/secret").json
                    return secret["epoch"].number == 2 && secret["is_changing"] == .bool(false)
                        && secret["values"]["sealed_before"].number == 0 && secret["values"]["sealed"].number == 1
                }
                for machine in [home, second] {
                    let read = try await machine.client.signedIn(token).get("/mesh/v1/kv/kept")
                    #expect(read.text == kept, "\(machine.name): \(read.description)")
                }
                try await pollUntil("the laptop learns it", within: .seconds(20)) {
                    agents["laptop"]?.complaints.contains("this node was revoked") == true
                }
                let put = try await home.client.signedIn(token).send(
                    "PUT", "/mesh/v1/kv/after", body: Data("all is well".utf8))
                #expect(put.status == 201, "\(put.description)")

                // Started again, it is told again: it kept who was core when it last knew.
                let halted = agents.removeValue(forKey: "laptop")
                halted?.signal(SIGKILL)
                _ = try await halted?.outcome(within: .seconds(10))
                agents["laptop"] = try laptop.start()
                try await pollUntil("the laptop learns it again", within: .seconds(20)) {
                    agents["laptop"]?.complaints.contains("this node was revoked") == true
                }
            }
        }
    }
}
