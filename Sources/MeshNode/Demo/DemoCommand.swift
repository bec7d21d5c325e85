import ArgumentParser
import Foundation
import ServiceLifecycle
import UnixSignals

/// `meshnode demo`: the five example nodes on this machine.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Run the five example nodes on this machine.",
        discussion: """
            Starts the agents of a configurations folder on loopback ports, with a real small language model behind them, and
            shows the mesh until Ctrl-C. With --json it prints one line for each node that is up, then one with 'ready'. A
            directory that is used again keeps identities, users and password.
            """)

    @Flag(help: "Print lines of JSON instead of the live view.")
    var json = false

    @Option(help: "Where identities, logs and models of the demo live.")
    var dir = "demo-data"

    @Option(help: "Folder with the nodes' configurations.")
    var configs = "configs"

    @Option(help: "HTTP port of the first node; the others count up.")
    var baseHttp = 3000

    @Option(help: "Mesh port of the first node; the others count up.")
    var baseMesh = 7946

    @Option(help: "End after this many seconds.")
    var seconds: Int?

    @Flag(help: "Use the built-in demonstration backend instead of a real model.")
    var noModel = false

    func validate() throws {
        guard 1...10_000_000 ~= seconds ?? 1 else { throw ValidationError("--seconds takes 1 to 10,000,000.") }
        for base in [baseHttp, baseMesh] where !(1...65000).contains(base) {
            throw ValidationError("\(base) is no port to count up from: give one from 1 to 65000.")
        }
    }

    func run() async throws {
        try await Failure.explained {
            let teller = DemoTeller(isJSON: json)
            let settings = DemoSettings(
                directory: URL(fileURLWithPath: dir).standardizedFileURL.path,
                configs: URL(fileURLWithPath: configs).standardizedFileURL.path, baseHTTP: baseHttp, baseMesh: baseMesh,
                usesModel: !noModel)
            let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
            let limit = seconds
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await DemoMesh.run(settings, teller: teller) }
                group.addTask { for await _ in signals { return } }
                if let limit { group.addTask { try await Task.sleep(for: .seconds(limit)) } }
                // Whatever ends first ends all: a signal, the time limit, or a start that failed.
                defer { group.cancelAll() }
                try await group.next()
            }
        }
    }
}

struct DemoSettings: Sendable {
    let directory: String
    let configs: String
    let baseHTTP: Int
    let baseMesh: Int
    let usesModel: Bool
    /// Which of the folder's nodes; nil for all.
    var names: [String]?
    /// By section and key: what the nodes' files say instead.
    var overrides: [String: [String: String]] = [:]
}

/// What the demo says: lines for people on standard output, or JSON for programs with the talk on standard error.
struct DemoTeller: Sendable {
    let isJSON: Bool

    func say(_ text: String) {
        let handle = isJSON ? FileHandle.standardError : FileHandle.standardOutput
        handle.write(Data((text + "\n").utf8))
    }
}
