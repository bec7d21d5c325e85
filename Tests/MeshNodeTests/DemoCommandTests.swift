import Foundation
import Testing

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

extension RealProcesses {
    @Suite("The demo for programs", .timeLimit(.minutes(2)))
    struct DemoCommandTests {
        @Test("it prints one line a node, with absolute paths, then one line with ready, and ends after its seconds")
        func lines() async throws {
            try await withFolder { folder in
                try await withDemo(in: folder, options: ["--seconds", "8"]) { demo in
                    let told = try await Told(demo)
                    #expect(
                        told.nodes.map { $0["node"].text } == [
                            "aurora", "vengeance", "runpod-tx", "robbiebook1", "sark",
                        ])
                    for node in told.nodes {
                        for key in ["config", "dir"] {
                            let path = try #require(node[key].text)
                            #expect(path.hasPrefix("/") && FileManager.default.fileExists(atPath: path))
                        }
                        #expect(node["http"].text?.hasPrefix("http://127.0.0.1:") == true)
                    }
                    let ports = told.nodes.compactMap {
                        $0["mesh"].text?.split(separator: ":").last.flatMap { Int($0) }
                    }
                    #expect(ports == Array(ports[0]..<ports[0] + 5))
                    #expect(told.ready["primary"].text == "aurora")
                    #expect(told.ready["api_key"].text?.hasPrefix("mesh_") == true)
                    #expect(!told.ready["models"].list.isEmpty)
                    let outcome = try await demo.outcome(within: .seconds(20))
                    #expect(outcome.status == 0, "\(outcome.complaints)")
                    #expect(outcome.output.split(separator: "\n").count == 6)
                    #expect(told.pids.filter(processRuns).isEmpty)
                }
            }
        }

        @Test("its children end with it, whether it is asked to end or killed", arguments: [SIGTERM, SIGKILL])
        func childrenEnd(signal: Int32) async throws {
            try await withFolder { folder in
                try await withDemo(in: folder) { demo in
                    let told = try await Told(demo)
                    #expect(told.pids.filter(processRuns).count == 5)
                    demo.signal(signal)
                    try await pollUntil("every agent is gone", within: .seconds(15)) {
                        !told.pids.contains(where: processRuns)
                    }
                    try await pollUntil("the demo is gone", within: .seconds(15)) { demo.hasEnded }
                }
            }
        }

        @Test("a directory used again keeps identities, password, API key and sessions")
        func usedAgain() async throws {
            try await withFolder { folder in
                let (password, key, token, ids) = try await withDemo(in: folder) { demo in
                    let told = try await Told(demo)
                    let password = try #require(told.ready["password"].text)
                    let token = try await told.client(0).login("admin", password).accessToken
                    return (password, told.ready["api_key"].text, token, try await told.identities(token))
                }
                try await withDemo(in: folder) { demo in
                    let told = try await Told(demo)
                    #expect(told.ready["password"].text == password)
                    #expect(told.ready["api_key"].text == key)
                    #expect(try await told.identities(token) == ids, "the earlier session, and the earlier identities")
                    #expect(ids.count == 5)
                }
            }
        }

        @Test("a killed child is not started again, and the demo goes on without it")
        func killedChild() async throws {
            try await withFolder { folder in
                try await withDemo(in: folder) { demo in
                    let told = try await Told(demo)
                    let token = try await told.client(0).login("admin", try #require(told.ready["password"].text))
                        .accessToken
                    kill(told.pids[4], SIGKILL)
                    try await pollUntil("the others call sark dead", within: .seconds(30)) {
                        try await told.client(0).signedIn(token).get("/mesh/v1/status").json["members"].list
                            .contains { $0["name"].text == "sark" && $0["state"].text == "dead" }
                    }
                    let answer = try? await told.client(4).get("/health/live")
                    #expect(answer == nil, "something answers for sark")
                    #expect(!demo.hasEnded)
                    #expect(told.pids.filter(processRuns) == Array(told.pids.prefix(4)))
                }
            }
        }

        @Test("a port in use ends it with one line that says so, and leaves no agent behind")
        func portInUse() async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                _ = try await solo.provision()
                try await solo.whileRunning { _ in
                    let demo = try ChildProcess.meshNode(
                        Self.arguments(folder, http: solo.http, mesh: try LoopbackPorts.free().mesh))
                    do {
                        let outcome = try await demo.outcome(within: .seconds(30))
                        #expect(outcome.status != 0)
                        #expect(outcome.complaints.contains("in use"), "\(outcome.complaints)")
                    } catch {
                        await demo.stop()
                        throw error
                    }
                }
            }
        }

        /// What the demo printed up to `ready`.
        private struct Told {
            let nodes: [JSONDocument]
            let ready: JSONDocument
            var pids: [Int32] { nodes.compactMap { $0["pid"].number.map { Int32($0) } } }

            init(_ demo: ChildProcess) async throws {
                let lines = try await poll("the demo is ready", within: .seconds(60)) {
                    if demo.hasEnded { return [JSONDocument]() }
                    let lines = demo.output.split(separator: "\n").compactMap {
                        try? JSONDecoder().decode(JSONDocument.self, from: Data($0.utf8))
                    }
                    return lines.last?["ready"] == .bool(true) ? lines : nil
                }
                guard let last = lines.last else { throw DemoTrouble("the demo ended: \(demo.complaints)") }
                (nodes, ready) = (lines.dropLast(), last)
            }

            func client(_ index: Int) -> NodeClient {
                NodeClient(name: nodes[index]["node"].text ?? "", base: nodes[index]["http"].text ?? "")
            }

            func identities(_ token: String) async throws -> Set<String> {
                let status = try await client(0).signedIn(token).get("/mesh/v1/status").json
                return Set(status["members"].list.compactMap { $0["id"].text })
            }
        }

        private func withDemo<Result>(
            in folder: URL, options: [String] = [], _ body: (ChildProcess) async throws -> Result
        ) async throws -> Result {
            let ports = try LoopbackPorts.free()
            let demo = try ChildProcess.meshNode(Self.arguments(folder, http: ports.http, mesh: ports.mesh) + options)
            do {
                let result = try await body(demo)
                await demo.stop()
                return result
            } catch {
                await demo.stop()
                throw DemoTrouble("\(error)\n\(demo.complaints)")
            }
        }

        private static func arguments(_ folder: URL, http: Int, mesh: Int) -> [String] {
            [
                "demo", "--json", "--no-model", "--dir", folder.path + "/demo",
                "--configs", DemoProcess.repository.appendingPathComponent("configs").path,
                "--base-http", String(http), "--base-mesh", String(mesh),
            ]
        }
    }
}
