import ChildProcesses
import Foundation
import MeshNode
import Testing

/// The web interface in a real browser, against five real agents: scripts/browser_test.py does what a person would.
///
/// Screenshots stay in `.build/browser-artifacts`, for whoever wants to see what was tested.
@Suite("The web interface in a browser")
struct BrowserTests {
    private static let artifacts = DemoProcess.repository.appendingPathComponent(".build/browser-artifacts")
    private static let environment = DemoProcess.repository.appendingPathComponent(".build/browser-environment")

    @Test(
        "a person signs in, sees five nodes, chats, ends a session and signs out",
        .timeLimit(.minutes(10)))
    func tour() async throws {
        try await require("no browser", "install the packages chromium and chromium-driver") {
            try Self.browserIsInstalled()
        }
        let python = try await require("no Python package selenium", "let pip reach a package index") {
            try await Self.pythonWithSelenium()
        }
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("meshnode-browser-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        try await DemoProcess.run(directory: directory) { demo in
            let home = try #require(demo.nodes.first { $0.node == demo.ready.primary })
            let outcome = try await Command.run(
                python.path,
                [
                    DemoProcess.repository.appendingPathComponent("scripts/browser_test.py").path,
                    home.http, demo.ready.user, demo.ready.password, Self.artifacts.path,
                    "--nodes", String(demo.nodes.count),
                ])
            print(outcome.output)
            #expect(outcome.status == 0, "\(outcome.output)\nscreenshots: \(Self.artifacts.path)\n\(demo.complaints)")
        }
    }

    /// Cancels the test, loudly, where what it needs cannot be had: that is no fault of the program.
    @discardableResult
    private func require<Value>(
        _ what: String, _ remedy: String, _ body: () async throws -> Value
    ) async throws -> Value {
        do { return try await body() } catch {
            let message =
                "SKIPPED, the interface was not tried in a browser: there is \(what) (\(error)). To try it, \(remedy)."
            FileHandle.standardError.write(Data("\n*** \(message)\n\n".utf8))
            try Test.cancel("\(message)")
        }
    }

    private static func browserIsInstalled() throws {
        for names in [["chromium", "chromium-browser", "google-chrome"], ["chromedriver"]] {
            guard names.contains(where: { Command.find($0) != nil }) else {
                throw DemoTrouble("none of \(names.joined(separator: ", ")) is on the PATH")
            }
        }
    }

    /// A private environment, made once and kept under `.build`.
    private static func pythonWithSelenium() async throws -> URL {
        let python = environment.appendingPathComponent("bin/python")
        if try await hasSelenium(python) { return python }
        let requirements = DemoProcess.repository.appendingPathComponent("scripts/browser_test.requirements.txt").path
        let steps = [
            ["python3", "-m", "venv", "--clear", environment.path],
            [python.path, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements],
        ]
        for step in steps {
            let outcome = try await Command.run("/usr/bin/env", step)
            guard outcome.status == 0 else {
                throw DemoTrouble("`\(step.joined(separator: " "))` said: \(outcome.output.suffix(400))")
            }
        }
        return python
    }

    private static func hasSelenium(_ python: URL) async throws -> Bool {
        guard FileManager.default.isExecutableFile(atPath: python.path) else { return false }
        return try await Command.run(python.path, ["-c", "import selenium"]).status == 0
    }
}

/// Runs a program to its end and keeps what it says.
private enum Command {
    struct Outcome: Sendable {
        let status: Int32
        /// Both streams, as they came.
        let output: String
    }

    static func run(_ program: String, _ arguments: [String]) async throws -> Outcome {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        let (ended, end) = AsyncStream<Int32>.makeStream()
        process.terminationHandler = { process in
            end.yield(process.terminationStatus)
            end.finish()
        }
        let (pieces, piece) = AsyncStream<Data>.makeStream()
        try process.runHearingSignals()
        pipe.fileHandleForReading.readOnThread { data in
            if data.isEmpty { piece.finish() } else { piece.yield(data) }
        }
        let pid = process.processIdentifier
        return await withTaskCancellationHandler {
            var output = Data()
            for await data in pieces { output += data }
            var status: Int32 = -1
            for await value in ended { status = value }
            return Outcome(status: status, output: String(decoding: output, as: UTF8.self))
        } onCancel: {
            kill(pid, SIGTERM)
        }
    }

    static func find(_ name: String) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
