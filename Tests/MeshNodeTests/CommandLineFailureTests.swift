import Foundation
import NIOCore
import NIOPosix
import Testing

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

extension RealProcesses {
    /// How commands end when they cannot be done (docs/CLI.md, "Exit status").
    @Suite("The command line without luck", .timeLimit(.minutes(2)))
    struct CommandLineFailureTests {
        @Test(
            "2: what is not understood asks nobody",
            arguments: [
                ["status", "--bogus"], ["nonsense"], ["kv"], ["kv", "put"], ["users", "set-role", "ada", "king"],
                ["status", "--url", "http://x", "--config", "y"], ["status", "--dir", "x", "--user", "ada"],
                ["sessions", "revoke"], ["kv", "put", "a", "b", "--if-absent", "--if-revision", "1"],
                ["status", "--url", "ftp://x"], ["status", "--url", "http://127.0.0.1:70000"],
                ["demo", "--base-http", "70000"], ["events", "--count", "0"], ["topic", "publish", "", "x"],
                ["topic", "follow", "a//b"], ["kv", "get", "/a"], ["locks", "acquire", ""],
                ["locks", "acquire", "a", "--ttl", "0"],
            ])
        func usage(arguments: [String]) async throws {
            let run = try await CommandLine.run(arguments)
            // Without a subcommand there is help, which is no failure.
            #expect(run.status == (arguments == ["kv"] ? 0 : 2), "\(run.description)")
            #expect(arguments == ["kv"] || run.output.isEmpty)
        }

        @Test("3: where no agent answers, the line says where it looked and what to do")
        func unreachable() async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                _ = try await solo.provision()
                let stopped = try await CommandLine.run(["status", "--config", solo.config])
                #expect(stopped.status == 3)
                #expect(
                    stopped.complaints.contains("start it with 'meshnode run --config \(solo.config)'"),
                    "\(stopped.description)")
                let address = try await CommandLine.run(["status", "--url", solo.client.base, "--json"])
                #expect(address.status == 3)
                #expect(address.complaint["error"].text == "unreachable", "\(address.description)")
                let nowhere = try await CommandLine.run(["status"], in: folder)
                #expect(nowhere.status == 3 && nowhere.complaints.contains("MESHNODE_CONFIG"), "\(nowhere.description)")
            }
        }

        @Test("1: a report that cannot be written is refused with its path and why")
        func unwritable() async throws {
            try await withFolder { folder in
                let story = folder.appendingPathComponent("a.scenario")
                try Data("nodes 3\n\nstart\n----\nok\n".utf8).write(to: story)
                let run = try await CommandLine.run(["simulate", story.path, "--report", folder.path + "/none/a.html"])
                #expect(run.status == 1, "\(run.description)")
                #expect(run.complaints.contains("/none/a.html: cannot be written"), "\(run.description)")
                #expect(!run.complaints.contains("Domain"), "\(run.description)")
            }
        }

        @Test("3: a socket that a killed agent left behind is nobody's, and the next start replaces it")
        func stale() async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                _ = try await solo.provision()
                try await solo.whileRunning { agent in
                    agent.signal(SIGKILL)
                    _ = try await agent.outcome(within: .seconds(5))
                }
                #expect(FileManager.default.fileExists(atPath: solo.dataDirectory + "/agent.sock"))
                #expect(try await CommandLine.run(["status", "--config", solo.config]).status == 3)
                try await solo.whileRunning { _ in
                    let run = try await CommandLine.run(["status", "--config", solo.config])
                    #expect(run.status == 0, "\(run.description)")
                }
            }
        }

        @Test("a running agent is found without being named, in ./configs and by MESHNODE_CONFIG")
        func found() async throws {
            try await withFolder { folder in
                let configs = folder.appendingPathComponent("configs")
                try FileManager.default.createDirectory(at: configs, withIntermediateDirectories: true)
                let solo = try SoloNode(in: configs)
                _ = try await solo.provision()
                try await solo.whileRunning { _ in
                    let found = try await CommandLine.run(["status"], in: folder)
                    #expect(found.status == 0 && found.complaints.isEmpty, "\(found.description)")
                    let named = try await CommandLine.run(["status"], environment: ["MESHNODE_CONFIG": solo.config])
                    #expect(named.status == 0, "\(named.description)")
                    let secure = solo.client.base.replacingOccurrences(of: "http://", with: "https://")
                    let tls = try await CommandLine.run(["status", "--url", secure])
                    #expect(tls.status == 3 && tls.complaints.contains("write http://"), "\(tls.description)")
                    let stranger = try await CommandLine.run(["sessions", "--url", solo.client.base])
                    #expect(stranger.status == 1, "\(stranger.description)")
                    #expect(stranger.complaints.contains("--user"), "\(stranger.description)")
                    #expect(try await CommandLine.run(["leave"], in: folder).status == 0)
                }
            }
        }

        @Test(
            "4 without a quorum; leaving is refused where it would end the quorum, and the other shows who left by force"
        )
        func quorum() async throws {
            try await withFolder { folder in
                let nodes = try await Self.makeThree(in: folder)
                var agents: [ChildProcess] = []
                do {
                    for node in nodes.dropFirst() {
                        agents.append(
                            try ChildProcess.meshNode(["run", "--config", node.config, "--until-input-ends"]))
                    }
                    try await nodes[0].whileRunning { _ in try await partings(nodes) }
                } catch {
                    for agent in agents { await agent.stop() }
                    throw error
                }
                for agent in agents {
                    #expect(agent.hasEnded)
                    await agent.stop()
                }
            }
        }

        private func partings(_ nodes: [SoloNode]) async throws {
            func ask(_ place: Int, _ arguments: String...) async throws -> CommandLine {
                try await CommandLine.run(arguments + ["--config", nodes[place].config])
            }
            try await pollUntil("all three are alive", within: .seconds(15)) {
                try await ask(0, "status").output.contains("3 of 3 voters reachable")
            }
            let third = try await ask(2, "leave")
            #expect(third.status == 0, "\(third.description)")
            try await pollUntil("the others show it as left", within: .seconds(5)) {
                let members = [try await ask(0, "members"), try await ask(1, "members")]
                return members.allSatisfy { $0.lines.contains { $0.hasPrefix("solo3  left") } }
            }
            try await pollUntil("a primary is known, and its vote counts no more", within: .seconds(10)) {
                let status = try await ask(1, "status", "--json").json
                return status["primary"] != .null && status["quorum"]["voters"].number == 2
            }
            #expect(try await ask(0, "members").lines.contains { $0.hasPrefix("solo3  left") && $0.contains(" - ") })
            let alive = try await ask(0, "members", "remove", "solo2", "--json")
            #expect(alive.status == 1 && alive.complaint["error"].text == "member-alive", "\(alive.description)")
            let refused = try await ask(1, "leave", "--keep-vote")
            #expect(refused.status == 1, "\(refused.description)")
            #expect(refused.complaints.contains("only 1 of 2 voters") && refused.complaints.contains("--force"))
            let forced = try await ask(1, "leave", "--keep-vote", "--force", "--json")
            #expect(forced.json["left"] == .bool(true), "\(forced.description)")
            // Before that, it may be appended in vain: then the outcome is unknown.
            try await pollUntil("the last one knows no primary any more", within: .seconds(10)) {
                try await ask(0, "status", "--json").json["primary"] == .null
            }
            // What a primary takes in its last moments is of unknown outcome instead.
            try await pollUntil("no primary is left", within: .seconds(5)) {
                try await ask(0, "status", "--json").json["primary"] == .null
            }
            let write = try await ask(0, "kv", "put", "a", "b", "--json")
            #expect(write.status == 4, "\(write.description)")
            #expect(write.complaint["error"].text == "no-quorum")
            let list = try await ask(0, "kv", "list", "--local")
            #expect(list.status == 0, "\(list.description)")
            let stuck = try await ask(0, "leave")
            #expect(stuck.status == 4 && stuck.complaints.contains("--keep-vote"), "\(stuck.description)")
        }

        /// Three voters in folders of their own.
        private static func makeThree(in folder: URL) async throws -> [SoloNode] {
            let names = ["solo", "solo2", "solo3"]
            var nodes: [SoloNode] = []
            for name in names {
                let own = folder.appendingPathComponent(name)
                try FileManager.default.createDirectory(at: own, withIntermediateDirectories: true)
                nodes.append(try SoloNode(in: own))
            }
            for (place, node) in nodes.enumerated() {
                let peers = zip(names, nodes).enumerated().filter { $0.offset != place }.map { _, peer in
                    "{name: \(peer.0), mesh: '127.0.0.1:\(peer.1.mesh)'}"
                }
                try node.write(
                    SoloNode.text(http: node.http, mesh: node.mesh) + "peers: [\(peers.joined(separator: ", "))]\n")
                try node.replaceLine(1, with: "name: \(names[place])")
            }
            let made = try await ChildProcess.runMeshNode(["init"] + nodes.map(\.config))
            guard made.status == 0 else { throw DemoTrouble("init failed: \(made.complaints)") }
            return nodes
        }

        @Test(
            "5: an agent that is lost before it answers a change leaves it open whether it was done; a read is only 3")
        func outcomeUnknown() async throws {
            let deaf = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(HangUp())
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            let url = "http://127.0.0.1:\(deaf.localAddress?.port ?? 0)"
            let change = try await CommandLine.run(["kv", "put", "a", "b", "--url", url])
            #expect(change.status == 5, "\(change.description)")
            #expect(change.complaints.contains("look before you try again"))
            #expect(try await CommandLine.run(["kv", "get", "a", "--url", url]).status == 3)
            try await deaf.close()
        }

        @Test(
            "another user is refused: by the modes, and behind them by the kernel's word",
            .enabled(if: OtherUser.isPossible, "needs root, setpriv and curl"))
        func otherUser() async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                _ = try await solo.provision()
                try await solo.whileRunning { agent in
                    let socket = solo.dataDirectory + "/agent.sock"
                    let outside = try await OtherUser.ask(socket)
                    #expect(outside.status == 7, "curl's 'failed to connect': \(outside.output)\(outside.complaints)")
                    try solo.setMode(0o755, of: solo.dataDirectory)
                    try solo.setMode(0o666, of: socket)
                    let inside = try await OtherUser.ask(socket)
                    #expect(inside.output.contains("wrong-user") && inside.output.contains("403"), "\(inside.output)")
                    #expect(!inside.output.contains("members"))
                    #expect(agent.complaints.contains("uid=\(OtherUser.number)"), "\(agent.complaints)")
                    // And the other way round: a socket that is somebody else's is not spoken to.
                    chown(socket, OtherUser.number, OtherUser.number)
                    let foreign = try await CommandLine.run(["status", "--config", solo.config])
                    #expect(
                        foreign.status == 3 && foreign.complaints.contains("runs as user \(OtherUser.number)"),
                        "\(foreign.description)")
                }
            }
        }
    }
}

/// Somebody who is not this user, as root can pretend to be.
enum OtherUser {
    static let number: UInt32 = 65534
    private static let tools = (drop: "/usr/bin/setpriv", client: "/usr/bin/curl")

    static var isPossible: Bool {
        geteuid() == 0 && [tools.drop, tools.client].allSatisfy(FileManager.default.isExecutableFile)
    }

    static func ask(_ socket: String) async throws -> ChildProcess.Outcome {
        try await ChildProcess.run(
            tools.drop,
            [
                "--reuid=\(number)", "--regid=\(number)", "--clear-groups", tools.client, "-s", "-i", "--unix-socket",
                socket,
                "http://localhost/mesh/v1/status",
            ])
    }
}

/// Takes a request and closes without a word.
private final class HangUp: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.close(promise: nil) }
}
