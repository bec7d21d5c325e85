import Foundation
import NodeCore
import Primitives
import Yams

/// One node of the demo: its shipped configuration, moved to loopback ports and a directory of the demo's own.
struct DemoNode: Sendable {
    let name: String
    /// Absolute path of the configuration as written.
    let config: String
    let dataDirectory: String
    let log: String
    /// URL.
    let http: String
    /// host:port
    let mesh: String

    /// A backend that the demo puts behind nodes that are configured to have one.
    struct Backend: Sendable {
        let kind: NodeConfig.Backend.Kind
        let url: String
    }

    /// Nodes on one machine are equally fast; these factors make them as unlike as the machines they stand for. The
    /// interface shows them.
    private static let slowdowns: [String: Double] = ["vengeance": 1, "sark": 1.5, "runpod-tx": 2, "robbiebook1": 6]

    /// Writes the configurations of all nodes, aurora's port first.
    static func write(_ settings: DemoSettings, model: [String: Backend]) throws -> [DemoNode] {
        let order = ["aurora", "vengeance", "runpod-tx", "robbiebook1", "sark"]
        let files = ((try? FileManager.default.contentsOfDirectory(atPath: settings.configs)) ?? [])
            .filter { $0.hasSuffix(".yaml") && !$0.contains("secret") }
        let names = files.map { String($0.dropLast(5)) }
            .filter { settings.names?.contains($0) ?? true }
            .sorted { (order.firstIndex(of: $0) ?? .max, $0) < (order.firstIndex(of: $1) ?? .max, $1) }
        guard !names.isEmpty else {
            throw DemoFailure(
                "\(settings.configs) holds no *.yaml: run from the project's folder, or name it with --configs")
        }
        for folder in ["", "/configs", "/data", "/logs"] {
            try DataDirectory.makeDirectory(settings.directory + folder)
        }
        var nodes: [DemoNode] = []
        for (position, name) in names.enumerated() {
            nodes.append(
                DemoNode(
                    name: name, config: "\(settings.directory)/configs/\(name).yaml",
                    dataDirectory: "\(settings.directory)/data/\(name)", log: "\(settings.directory)/logs/\(name).log",
                    http: "http://127.0.0.1:\(settings.baseHTTP + position)",
                    mesh: "127.0.0.1:\(settings.baseMesh + position)"))
        }
        for node in nodes {
            let shipped = "\(settings.configs)/\(node.name).yaml"
            // What is shipped must be right before it is moved.
            _ = try ConfigFile.load(shipped)
            let text = try node.moved(shipped, among: nodes, settings: settings, model: model)
            try PrivateFile.replace(node.config, Array(text.utf8))
        }
        return nodes
    }

    private func moved(
        _ shipped: String, among nodes: [DemoNode], settings: DemoSettings, model: [String: Backend]
    ) throws -> String {
        guard var root = try Yams.compose(yaml: String(contentsOfFile: shipped, encoding: .utf8)) else {
            throw DemoFailure("\(shipped) is empty")
        }
        root["data_dir"] = Node(dataDirectory)
        root["secrets_file"] = Node("\(settings.directory)/configs/\(name).secrets.yaml")
        root["mesh"] = try Node(["listen": mesh])
        root["http"] = try Node(["listen": String(http.dropFirst("http://".count))])
        root["peers"] = try Node(nodes.filter { $0.name != name }.map { ["name": $0.name, "mesh": $0.mesh] })
        if root["backends"] != nil {
            root["backends"] = try Node([Self.entry(for: name, model[name] ?? model["*"])])
        }
        for (section, values) in settings.overrides {
            if root[section] == nil { root[section] = try Node([:] as [String: String]) }
            for (key, value) in values { root[section]?[key] = Node(value) }
        }
        return "# Made by 'meshnode demo' from \(shipped).\n" + (try Yams.serialize(node: root))
    }

    private static func entry(for name: String, _ backend: Backend?) -> [String: String] {
        guard let backend else { return ["name": "demo", "kind": "demo", "slowdown": "\(slowdowns[name] ?? 1)"] }
        let isShared = backend.kind == .openai
        return [
            "name": isShared ? "smollm2" : "ollama", "kind": backend.kind.rawValue, "url": backend.url,
            "slowdown": isShared ? "\(slowdowns[name] ?? 1)" : "1",
        ]
    }
}
