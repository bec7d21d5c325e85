import Foundation
import Primitives

/// A mesh of real agents in a temporary directory, ready to be measured.
final class BenchAgents: Sendable {
    let nodes: [DemoNode]
    let key: String
    private let children: DemoChildren
    private let directory: String

    /// One user is the whole load: the limit of requests must not be what is measured.
    private static let requestsPerMinute = "1000000"

    static func start(configs: String, names: [String]?, electionTimeoutMilliseconds: Int) async throws -> BenchAgents {
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("meshnode-bench-\(ProcessInfo.processInfo.processIdentifier)").path
        var settings = DemoSettings(
            directory: directory, configs: URL(fileURLWithPath: configs).standardizedFileURL.path,
            baseHTTP: try await PortProbe.freePort(), baseMesh: try await PortProbe.freePort(), usesModel: false)
        settings.names = names
        settings.overrides = [
            "limits": ["requests_per_minute": requestsPerMinute],
            "raft": ["election_timeout": "\(electionTimeoutMilliseconds)ms"],
        ]
        let children = DemoChildren()
        do {
            let nodes = try DemoNode.write(settings, model: [:])
            let account = try DemoAccount.open(directory, configs: nodes.map(\.config))
            for node in nodes { try children.start(node) }
            let ready = try await DemoReadiness.wait(nodes, children, account: account, atMost: .seconds(60))
            return BenchAgents(nodes: nodes, key: ready.apiKey, children: children, directory: directory)
        } catch {
            children.stopAll()
            try? FileManager.default.removeItem(atPath: directory)
            throw error
        }
    }

    private init(nodes: [DemoNode], key: String, children: DemoChildren, directory: String) {
        self.nodes = nodes
        self.key = key
        self.children = children
        self.directory = directory
    }

    var targets: [LoadTarget] { nodes.compactMap { LoadTarget(base: $0.http, token: key) } }

    func client(of node: DemoNode) -> MeshClient { MeshClient(base: node.http, token: key) }

    func pid(of node: DemoNode) -> Int32? { children.pid(of: node.name) }

    func kill(_ node: DemoNode) { children.kill(node.name) }

    func restart(_ node: DemoNode) throws { try children.start(node) }

    func stop() {
        children.stopAll()
        try? FileManager.default.removeItem(atPath: directory)
    }
}
