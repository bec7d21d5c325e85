import ArgumentParser
import Foundation
import NIOCore
import Primitives
import UVLoop

/// `meshnode bench flood`: junk at one of five real agents, and whether anybody doubts it, or it anybody.
struct BenchFlood: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flood", abstract: "Junk at an agent's mesh port; fails if the agent is suspected.",
        discussion: """
            Starts the agents of a configurations folder in a temporary directory and ends them afterwards. The victim is the
            primary, unless --victim names another. A client goes on writing through another node. One line of JSON for the calm,
            one for the flood: 'sent_per_second' says what was reached of --rate.
            """)

    @Option(help: "Folder with the nodes' configurations.")
    var configs = "configs"

    @Option(help: "Packets a second.")
    var rate = 100_000

    @Option(help: "Seconds of the flood, and of the calm before it.")
    var seconds = 20

    @Option(help: "The agent that is written to; the primary if none is named.")
    var victim: String?

    @Option(help: "Election timeout of the mesh in milliseconds.")
    var electionTimeout = 400

    func validate() throws {
        guard 1...10_000_000 ~= rate, 1...600 ~= seconds else {
            throw ValidationError("--rate takes 1 to 10,000,000, --seconds 1 to 600")
        }
    }

    func run() async throws {
        try await Failure.explained {
            let mesh = try await BenchAgents.start(
                configs: configs, names: nil, electionTimeoutMilliseconds: electionTimeout)
            defer { mesh.stop() }
            guard let first = mesh.nodes.first else { throw DemoFailure("\(configs) names no node") }
            let name = if let victim { victim } else { try await mesh.client(of: first).status().primary }
            guard let target = mesh.nodes.first(where: { $0.name == name }), let other = mesh.nodes.last,
                let endpoint = Endpoint(target.mesh)
            else { throw DemoFailure("there is no node \(name ?? "that leads")") }
            let writer = mesh.client(of: other.name == target.name ? first : other)
            try await Task.sleep(for: .seconds(2))
            try JSONLine.write(try await watch(target, mesh, writer, flood: nil))
            let flood = try await watch(
                target, mesh, writer, flood: JunkFlood(target: endpoint, packetsPerSecond: rate))
            try JSONLine.write(flood)
            guard flood.victimSuspected + flood.othersSuspected == 0 else { throw ExitCode.failure }
        }
    }

    /// Everything of these seconds, in the flood's own if there is one.
    private func watch(
        _ victim: DemoNode, _ mesh: BenchAgents, _ writer: MeshClient, flood: JunkFlood?
    ) async throws -> Line {
        guard let pid = mesh.pid(of: victim) else { throw DemoFailure("\(victim.name) has ended") }
        let logs = try mesh.nodes.map { try MemberLog($0) }
        let cost = try ProcessCost.read(pid)
        let received = try await Self.received(mesh.client(of: victim))
        let begun = ContinuousClock.now
        let thread = try flood?.start()
        let writes = await Self.write(with: writer, for: .seconds(seconds))
        let span = (ContinuousClock.now - begun).inSeconds
        flood?.stop()
        thread?.join()
        let after = try ProcessCost.read(pid)
        // What is still under way to the logs.
        try await Task.sleep(for: .seconds(1))
        let doubts = try logs.map { try $0.newDoubts() }
        let arrived = try await Self.received(mesh.client(of: victim)) - received
        let victimSuspected = zip(mesh.nodes, doubts).reduce(0) { sum, entry in
            sum + (entry.0.name == victim.name ? 0 : entry.1.count { $0 == victim.name })
        }
        return Line(
            bench: flood == nil ? "flood_calm" : "flood", victim: victim.name, seconds: span,
            sentPerSecond: Double(flood?.sentCount ?? 0) / span, arrivedPerSecond: Double(arrived) / span,
            victimCorePercent: (after.cpuSeconds - cost.cpuSeconds) / span * 100,
            victimResidentMegabytes: after.residentMegabytes, victimSuspected: victimSuspected,
            othersSuspected: doubts.reduce(0) { $0 + $1.count } - victimSuspected,
            roleChanges: try logs.reduce(0) { try $0 + $1.newRoleChanges() }, writes: writes.count,
            failedWrites: writes.failed, worstWriteMilliseconds: writes.worstMilliseconds)
    }

    private struct Writes {
        var count = 0
        var failed = 0
        var worstMilliseconds: Int64 = 0
    }

    /// One write after another until the time is over: that of a write without an answer counts up to then.
    private static func write(with client: MeshClient, for span: Duration) async -> Writes {
        let writing = Task {
            var writes = Writes()
            while !Task.isCancelled {
                let sentAt = ContinuousClock.now
                do { try await client.put(key: "bench-flood", value: "\(writes.count)") } catch {
                    if !Task.isCancelled { writes.failed += 1 }
                }
                writes.count += 1
                writes.worstMilliseconds = max(writes.worstMilliseconds, (ContinuousClock.now - sentAt).inMilliseconds)
                try? await Task.sleep(for: .milliseconds(20))
            }
            return writes
        }
        try? await Task.sleep(for: span)
        writing.cancel()
        return await writing.value
    }

    private static func received(_ client: MeshClient) async throws -> Int {
        let page = String(buffer: try await client.send(.GET, "/metrics").body)
        let line = page.split(separator: "\n").first { $0.hasPrefix("meshnode_datagrams_received_total ") }
        guard let count = line?.split(separator: " ").last.flatMap({ Int($0) }) else {
            throw DemoFailure("the metrics do not count datagrams")
        }
        return count
    }

    private struct Line: Encodable {
        let bench: String
        let victim: String
        let seconds: Double
        let sentPerSecond: Double
        /// Datagrams that the victim's socket gave it, the mesh's own included.
        let arrivedPerSecond: Double
        let victimCorePercent: Double
        let victimResidentMegabytes: Double
        /// How often another agent came to doubt the victim, or anybody anybody else.
        let victimSuspected: Int
        let othersSuspected: Int
        let roleChanges: Int
        let writes: Int
        let failedWrites: Int
        let worstWriteMilliseconds: Int64
    }
}

/// What an agent's log says from now on of members and roles.
private struct MemberLog {
    private let path: String
    private let start: Int

    init(_ node: DemoNode) throws {
        path = node.log
        start = try Data(contentsOf: URL(fileURLWithPath: path)).count
    }

    private func newLines() throws -> [Substring] {
        let data = try Data(contentsOf: URL(fileURLWithPath: path)).dropFirst(start)
        return String(decoding: data, as: UTF8.self).split(separator: "\n")
    }

    /// The names of those who became suspect or dead, each time.
    func newDoubts() throws -> [String] {
        try newLines().filter { $0.contains("member changed") }.compactMap { line in
            let words = line.split(separator: " ")
            guard words.contains("state=suspect") || words.contains("state=dead") else { return nil }
            return words.first { $0.hasPrefix("member=") }.map { String($0.dropFirst("member=".count)) }
        }
    }

    func newRoleChanges() throws -> Int { try newLines().count { $0.contains("role changed") } }
}
