import ChildProcesses
import Dispatch
import Foundation
import NodeCore
import Primitives
import Synchronization
import UVLoop

/// The demo from start to end: provision, start, wait until it is useful, watch, stop.
enum DemoMesh {
    private static let startLimit: Duration = .seconds(60)

    static func run(_ settings: DemoSettings, teller: DemoTeller) async throws {
        let model = try await DemoModel.prepare(settings, teller: teller)
        try await refuseRunning(settings.directory)
        let nodes = try DemoNode.write(settings, model: model.backends)
        let account = try DemoAccount.open(settings.directory, configs: nodes.map(\.config))
        let children = DemoChildren()
        defer { children.stopAll() }
        try model.start(children)
        for node in nodes { try children.start(node) }
        for node in nodes { try await announce(node, children: children, teller: teller) }
        let ready = try await DemoReadiness.wait(nodes, children, account: account, atMost: startLimit)
        if teller.isJSON {
            try JSONLine.write(ready)
        } else {
            teller.say(greeting(nodes, ready, note: model.note))
        }
        try await watch(nodes, token: ready.apiKey, isJSON: teller.isJSON)
    }

    /// Before anything is written: the configurations and logs there are those of agents that run.
    private static func refuseRunning(_ directory: String) async throws {
        let folder = directory + "/configs"
        for file in ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted() {
            guard let config = try? ConfigFile.load("\(folder)/\(file)"),
                await LocalSocket(config).occupant() == .livingAgent
            else { continue }
            throw DemoFailure(
                "\(config.name) of \(directory) runs already: end that demo, or give this one a folder of its own with --dir"
            )
        }
    }

    private static func announce(_ node: DemoNode, children: DemoChildren, teller: DemoTeller) async throws {
        let client = MeshClient(base: node.http)
        let deadline = ContinuousClock.now + startLimit
        while !(await client.isLive()) {
            if let failure = children.failure(of: node.name) { throw failure }
            guard ContinuousClock.now < deadline else {
                throw DemoFailure(
                    "\(node.name) did not answer on \(node.http) within \(startLimit.spelled); see \(node.log)")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        if teller.isJSON {
            try JSONLine.write(
                NodeLine(
                    node: node.name, http: node.http, mesh: node.mesh, pid: children.pid(of: node.name) ?? 0,
                    config: node.config, dir: node.dataDirectory))
        } else {
            teller.say("  \(node.name) is up at \(node.http)")
        }
    }

    private static func greeting(_ nodes: [DemoNode], _ ready: DemoReadiness.Line, note: String) -> String {
        """

        The mesh is ready: \(ready.primary) is primary.
          open      \(nodes.map(\.http).joined(separator: "  "))
          sign in   \(ready.user)  password  \(ready.password)
          API key   \(ready.apiKey)
          models    \(ready.models.joined(separator: ", "))  (\(note))
        Ctrl-C ends the demo.

        """
    }

    /// Shows the mesh until the task is cancelled. A node that was killed is shown as the others see it.
    private static func watch(_ nodes: [DemoNode], token: String, isJSON: Bool) async throws {
        let isTerminal = !isJSON && isatty(STDOUT_FILENO) == 1
        var drawn = 0
        while !Task.isCancelled {
            if isTerminal {
                let lines = await view(nodes, token: token)
                print((drawn > 0 ? "\u{1B}[\(drawn)A\u{1B}[J" : "") + lines.joined(separator: "\n"))
                drawn = lines.count
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// The first node that answers tells.
    private static func view(_ nodes: [DemoNode], token: String) async -> [String] {
        for node in nodes {
            if let status = try? await MeshClient(base: node.http, token: token).status() {
                return StatusTable.render(status)
            }
        }
        return ["no node answers"]
    }

    private struct NodeLine: Encodable {
        let node: String
        let http: String
        let mesh: String
        let pid: Int32
        let config: String
        let dir: String
    }
}

struct DemoFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The demo's processes. They end with it, however it ends: each holds a pipe whose other end is here.
final class DemoChildren: Sendable {
    private struct Child {
        let process: Process
        let lifeline: Pipe
        let log: String
    }

    private let children = Mutex<[String: Child]>([:])

    func start(_ node: DemoNode) throws {
        try start(
            node.name, OwnBinary.path, ["run", "--config", node.config, "--until-input-ends"], log: node.log)
    }

    func start(_ name: String, _ program: String, _ arguments: [String], log: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let lifeline = Pipe()
        process.standardInput = lifeline
        _ = FileManager.default.createFile(
            atPath: log, contents: nil, attributes: [.posixPermissions: NSNumber(value: 0o600)])
        guard let output = FileHandle(forWritingAtPath: log) else {
            throw DemoFailure("\(log) cannot be written; check the directory's owner and free space")
        }
        process.standardOutput = output
        process.standardError = output
        try process.runHearingSignals()
        children.withLock { $0[name] = Child(process: process, lifeline: lifeline, log: log) }
    }

    /// Ends one child at once, as a crash would, and waits until it is gone.
    func kill(_ name: String) {
        guard let process = children.withLock({ $0[name]?.process }) else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    func pid(of name: String) -> Int32? { children.withLock { $0[name]?.process.processIdentifier } }

    /// Why a child that should be starting is gone; nil while it runs.
    func failure(of name: String) -> DemoFailure? {
        children.withLock { children in
            guard let child = children[name], !child.process.isRunning else { return nil }
            let text = (try? String(contentsOfFile: child.log, encoding: .utf8)) ?? ""
            let last = text.split(separator: "\n").last.map(String.init) ?? "it said nothing"
            return DemoFailure("\(name) ended at once: \(last)")
        }
    }

    /// Asks every child to end, and insists after five seconds.
    func stopAll() {
        let all = children.withLock { Array($0.values) }
        for child in all where child.process.isRunning { child.process.terminate() }
        let insistence = DispatchWorkItem {
            for child in all where child.process.isRunning { Foundation.kill(child.process.processIdentifier, SIGKILL) }
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + 5, execute: insistence)
        for child in all { child.process.waitUntilExit() }
        insistence.cancel()
    }
}
