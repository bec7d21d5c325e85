import ArgumentParser
import ChildProcesses
import Foundation
import Primitives
import UVLoop

/// `meshnode bench mesh`: five real agents on loopback, measured from outside.
struct BenchMesh: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mesh", abstract: "First primary, failover after kill -9, and what an idle agent costs.",
        discussion:
            "Starts the five agents of a configurations folder in a temporary directory and ends them afterwards.")

    @Option(help: "Folder with the nodes' configurations.")
    var configs = "configs"

    @Option(help: "How often the primary is killed.")
    var kills = 10

    @Option(help: "Seconds over which an idle agent is watched.")
    var idleSeconds = 20

    func run() async throws {
        try await Failure.explained {
            let directory = FileManager.default.temporaryDirectory
                .appendingPathComponent("meshnode-bench-\(ProcessInfo.processInfo.processIdentifier)").path
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let settings = DemoSettings(
                directory: directory, configs: URL(fileURLWithPath: configs).standardizedFileURL.path,
                baseHTTP: try await PortProbe.freePort(), baseMesh: try await PortProbe.freePort(), usesModel: false)
            let nodes = try DemoNode.write(settings, model: [:])
            let account = try DemoAccount.open(directory, configs: nodes.map(\.config))
            let children = DemoChildren()
            defer { children.stopAll() }
            try await measureFirstPrimary(nodes, children)
            let ready = try await DemoReadiness.wait(nodes, children, account: account, atMost: .seconds(60))
            try await measureFailover(nodes, children, key: ready.apiKey)
            try children.start(
                Self.emptyAgent, OwnBinary.path, ["bench", "empty-agent"], log: "\(directory)/empty-agent.log")
            try await measureIdle(nodes.map(\.name) + [Self.emptyAgent], children)
        }
    }

    /// From the moment a majority answers HTTP until one of it names a primary.
    private func measureFirstPrimary(_ nodes: [DemoNode], _ children: DemoChildren) async throws {
        let majority = nodes.prefix(nodes.count / 2 + 1)
        for node in majority { try children.start(node) }
        for node in majority { try await poll { await MeshClient(base: node.http).isLive() } }
        let up = ContinuousClock.now
        try await poll {
            for node in majority where await MeshClient(base: node.http).isReady() { return true }
            return false
        }
        try JSONLine.write(
            Figure(
                bench: "first_primary", agents: majority.count,
                milliseconds: [(ContinuousClock.now - up).inMilliseconds]))
        for node in nodes.dropFirst(majority.count) { try children.start(node) }
    }

    /// From kill -9 of the primary until another node accepts a write.
    private func measureFailover(_ nodes: [DemoNode], _ children: DemoChildren, key: String) async throws {
        var spans: [Int64] = []
        for round in 0..<kills {
            let first = MeshClient(base: nodes[round % nodes.count].http, token: key)
            try await poll { (try? await first.status())?.primary != nil }
            guard let primary = try await first.status().primary,
                let victim = nodes.first(where: { $0.name == primary }),
                let other = nodes.first(where: { $0.name != primary })
            else { continue }
            let client = MeshClient(base: other.http, token: key)
            let start = ContinuousClock.now
            children.kill(victim.name)
            try await poll { (try? await client.put(key: "bench", value: "\(round)")) != nil }
            spans.append((ContinuousClock.now - start).inMilliseconds)
            try children.start(victim)
            try await poll { await MeshClient(base: victim.http).isReady() }
            try await poll { (try? await client.status())?.members.allSatisfy { $0.state == "alive" } ?? false }
        }
        try JSONLine.write(Figure(bench: "failover", agents: nodes.count, milliseconds: spans.sorted()))
    }

    /// Beside the nodes: the same program as a plain HTTP server.
    private static let emptyAgent = "(empty)"

    private func measureIdle(_ names: [String], _ children: DemoChildren) async throws {
        let pids = names.compactMap { children.pid(of: $0) }
        let before = try pids.map { try ProcessCost.read($0) }
        try await Task.sleep(for: .seconds(idleSeconds))
        let after = try pids.map { try ProcessCost.read($0) }
        for (name, costs) in zip(names, zip(before, after)) {
            try JSONLine.write(
                Idle(
                    bench: "idle", node: name, residentMegabytes: costs.1.residentMegabytes,
                    corePercent: (costs.1.cpuSeconds - costs.0.cpuSeconds) / Double(idleSeconds) * 100,
                    seconds: idleSeconds))
        }
    }

    /// Asks every five milliseconds: other processes are watched from outside, as a client would.
    private func poll(_ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while !(try await condition()) {
            guard ContinuousClock.now < deadline else {
                throw DemoFailure("the mesh did not get there within a minute; is the machine overloaded?")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private struct Figure: Encodable {
        let bench: String
        let agents: Int
        /// Sorted.
        let milliseconds: [Int64]
        var median: Int64 { milliseconds.isEmpty ? 0 : milliseconds[milliseconds.count / 2] }

        private enum CodingKeys: CodingKey { case bench, agents, milliseconds, median, worst }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(bench, forKey: .bench)
            try container.encode(agents, forKey: .agents)
            try container.encode(milliseconds, forKey: .milliseconds)
            try container.encode(median, forKey: .median)
            try container.encode(milliseconds.last ?? 0, forKey: .worst)
        }
    }

    private struct Idle: Encodable {
        let bench: String
        let node: String
        let residentMegabytes: Double
        let corePercent: Double
        let seconds: Int
    }
}

/// What a process uses: resident memory, and the processor time of all its threads so far.
struct ProcessCost {
    let residentMegabytes: Double
    let cpuSeconds: Double

    /// From /proc on Linux, which counts hundredths of seconds; from `ps` elsewhere, which may count whole ones.
    static func read(_ pid: Int32) throws -> ProcessCost {
        #if os(Linux)
            let text = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            // Fields are counted after the name, which stands in parentheses and may hold anything (proc(5)).
            let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
            guard fields.count > 22, let user = Double(fields[12]), let system = Double(fields[13]),
                let pages = Double(fields[22])
            else { throw DemoFailure("/proc/\(pid)/stat does not read as expected") }
            return ProcessCost(
                residentMegabytes: pages * Double(sysconf(Int32(_SC_PAGESIZE))) / 1_048_576,
                cpuSeconds: (user + system) / Double(sysconf(Int32(_SC_CLK_TCK))))
        #else
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/ps")
            process.arguments = ["-o", "rss=,time=", "-p", String(pid)]
            let pipe = Pipe()
            process.standardOutput = pipe
            try process.runHearingSignals()
            let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            let words = output.split(whereSeparator: \.isWhitespace)
            guard words.count == 2, let kilobytes = Double(words[0]) else {
                throw DemoFailure("'ps' told nothing about process \(pid)")
            }
            let seconds = words[1].split(separator: ":").reduce(0.0) { $0 * 60 + (Double($1) ?? 0) }
            return ProcessCost(residentMegabytes: kilobytes / 1024, cpuSeconds: seconds)
        #endif
    }
}
