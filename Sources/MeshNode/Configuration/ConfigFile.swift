import Foundation
import NodeCore
import Primitives

/// Reads and checks a node's YAML file. configs/README.md describes every key.
package enum ConfigFile {
    /// Relative paths inside the file are relative to the file.
    package static func load(_ path: String) throws(ConfigError) -> NodeConfig {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ConfigError(
                file: path, problem: "cannot be read", advice: "check the path and that this user may read it")
        }
        return try parse(String(decoding: data, as: UTF8.self), file: path)
    }

    package static func parse(_ text: String, file: String) throws(ConfigError) -> NodeConfig {
        var root = try ConfigSection.load(file, text: text)
        let base = URL(fileURLWithPath: file).deletingLastPathComponent()
        let absolute = { (path: String) in
            URL(fileURLWithPath: path, relativeTo: base).standardizedFileURL.path
        }
        let name = try root.required("name", example: "aurora")
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(isNameByte) else {
            throw root.error("name", "found '\(name)'", advice: "write 1 to 64 letters, digits, '-', '_' or '.'")
        }
        let dataDirectory = absolute(try root.required("data_dir", example: "/var/lib/meshnode/\(name)"))
        let secretsFile = absolute(try root.required("secrets_file", example: "/etc/meshnode/\(name).secrets.yaml"))
        let mesh = try parseMesh(&root)
        let http = try parseHTTP(&root, absolute: absolute)
        guard http.listen != mesh.listen else {
            throw root.error(
                "http", "http.listen and mesh.listen are both \(mesh.listen)",
                advice: "give each a port of its own: the mesh takes UDP and TCP")
        }
        var config = NodeConfig(
            name: name, dataDirectory: dataDirectory, secretsFile: secretsFile, mesh: mesh, http: http)
        config.runtimeDirectory = try root.string("runtime_dir").map(absolute)
        config.trustClass = try root.choice("class", default: .core)
        config.rank = try root.integer("rank", in: 0...1000, default: 0)
        config.logLevel = try parseLogLevel(&root)
        config.peers = try parsePeers(&root, myName: name)
        config.raft = try parseRaft(&root)
        config.gossip = try parseGossip(&root)
        config.backends = try parseBackends(&root, absolute: absolute)
        config.health = try parseHealth(&root)
        config.limits = try parseLimits(&root)
        try root.finish()
        return config
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private static func parseLogLevel(_ root: inout ConfigSection) throws(ConfigError) -> String {
        let levels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
        let level = try root.string("log_level") ?? "notice"
        guard levels.contains(level) else {
            throw root.error("log_level", "found '\(level)'", advice: "write one of \(levels.joined(separator: ", "))")
        }
        return level
    }

    private static func parseMesh(_ root: inout ConfigSection) throws(ConfigError) -> NodeConfig.Mesh {
        guard var section = try root.section("mesh") else {
            throw root.missing("mesh", advice: "add 'mesh: {listen: 127.0.0.1:7946}' (UDP and TCP)")
        }
        guard let listen = try section.endpoint("listen") else {
            throw section.missing("listen", advice: "add the mesh port (UDP and TCP), for example '127.0.0.1:7946'")
        }
        var mesh = NodeConfig.Mesh(listen: listen)
        mesh.advertise = try section.endpoint("advertise")
        try section.finish()
        return mesh
    }

    private static func parseHTTP(
        _ root: inout ConfigSection, absolute: (String) -> String
    ) throws(ConfigError) -> NodeConfig.HTTP {
        guard var section = try root.section("http") else {
            throw root.missing("http", advice: "add 'http: {listen: 127.0.0.1:3000}'")
        }
        guard let listen = try section.endpoint("listen") else {
            throw section.missing("listen", advice: "add the HTTP address, for example '127.0.0.1:3000'")
        }
        var http = NodeConfig.HTTP(listen: listen)
        http.advertise = try section.endpoint("advertise")
        http.plainNetworks = try section.networks("plain_networks")
        http.allowedHosts = try section.strings("allowed_hosts")
        http.certificateFile = try section.string("tls_certificate").map(absolute)
        http.privateKeyFile = try section.string("tls_private_key").map(absolute)
        if (http.certificateFile == nil) != (http.privateKeyFile == nil) {
            throw section.error(
                http.certificateFile == nil ? "tls_certificate" : "tls_private_key", "is missing",
                advice: "TLS needs both tls_certificate and tls_private_key")
        }
        guard
            listen.isLoopback || http.certificateFile != nil
                || http.plainNetworks.contains(where: { $0.contains(listen) })
        else {
            throw section.error(
                "listen", "\(listen) is not a loopback address",
                advice: "give tls_certificate and tls_private_key, or name the network in http.plain_networks")
        }
        try section.finish()
        return http
    }

    private static func parsePeers(
        _ root: inout ConfigSection, myName: String
    ) throws(ConfigError) -> [NodeConfig.Peer] {
        var peers: [NodeConfig.Peer] = []
        for var section in try root.sections("peers") {
            let name = try section.required("name", example: "vengeance")
            guard let mesh = try section.endpoint("mesh") else {
                throw section.error(
                    "mesh", "is missing", advice: "add the peer's mesh address, for example 10.0.0.2:7946")
            }
            guard name != myName else {
                throw section.error("name", "'\(name)' is this node", advice: "list the other nodes only")
            }
            guard !peers.contains(where: { $0.name == name }) else {
                throw section.error("name", "'\(name)' appears twice", advice: "list every other node once")
            }
            try section.finish()
            peers.append(NodeConfig.Peer(name: name, mesh: mesh))
        }
        return peers
    }

    private static func parseRaft(_ root: inout ConfigSection) throws(ConfigError) -> NodeConfig.Raft {
        var raft = NodeConfig.Raft()
        guard var section = try root.section("raft") else { return raft }
        raft.electionTimeout = try section.span(
            "election_timeout", in: .milliseconds(50)...(.seconds(10)), default: raft.electionTimeout)
        raft.electionTimeoutMin = try section.optionalSpan(
            "election_timeout_min", in: .milliseconds(60)...(.seconds(10)))
        raft.heartbeatInterval = try section.span(
            "heartbeat_interval", in: .milliseconds(10)...(.seconds(2)), default: raft.electionTimeout / 4)
        guard raft.heartbeatInterval * 3 <= raft.electionTimeout else {
            throw section.error(
                "heartbeat_interval", "is more than a third of the election timeout",
                advice: "two lost heartbeats would end a healthy primary: lower it, or raise raft.election_timeout")
        }
        try section.finish()
        return raft
    }

    private static func parseGossip(_ root: inout ConfigSection) throws(ConfigError) -> NodeConfig.Gossip {
        var gossip = NodeConfig.Gossip()
        guard var section = try root.section("gossip") else { return gossip }
        gossip.probeInterval = try section.optionalSpan("probe_interval", in: .milliseconds(50)...(.seconds(30)))
        try section.finish()
        return gossip
    }

    private static func parseBackends(
        _ root: inout ConfigSection, absolute: (String) -> String
    ) throws(ConfigError) -> [NodeConfig.Backend] {
        var backends: [NodeConfig.Backend] = []
        for var section in try root.sections("backends") {
            let name = try section.required("name", example: "ollama")
            let kind: NodeConfig.Backend.Kind = try section.choice("kind", default: .ollama)
            var url = kind == .demo ? "" : try section.required("url", example: "http://127.0.0.1:11434")
            while url.hasSuffix("/") { url.removeLast() }
            guard kind == .demo || BackendAddress(url: url) != nil else {
                throw section.error("url", "found '\(url)'", advice: "write a URL such as http://127.0.0.1:11434")
            }
            if let path = ["/v1", "/api"].first(where: url.hasSuffix) {
                throw section.error(
                    "url", "found '\(url)'",
                    advice: "write '\(url.dropLast(path.count))': the agent asks for \(path)/... there itself")
            }
            guard !backends.contains(where: { $0.name == name }) else {
                throw section.error("name", "'\(name)' appears twice", advice: "give each backend its own name")
            }
            var backend = NodeConfig.Backend(name: name, kind: kind, url: url)
            backend.slots = try section.integer("slots", in: 1...256, default: 4)
            backend.slowdown = try section.number("slowdown", in: 1...100, default: 1)
            backend.apiKeyName = try section.string("api_key_secret")
            backend.authorityFile = try section.string("tls_authority").map(absolute)
            // Whoever needs a key may charge for each token.
            backend.measuresSpeed = try section.flag("measure_speed", default: backend.apiKeyName == nil)
            try section.finish()
            backends.append(backend)
        }
        guard backends.count <= 8 else {
            throw root.error("backends", "lists \(backends.count)", advice: "a node has at most 8 backends")
        }
        return backends
    }

    private static func parseHealth(_ root: inout ConfigSection) throws(ConfigError) -> NodeConfig.Health {
        var health = NodeConfig.Health()
        guard var section = try root.section("health") else { return health }
        health.interval = try section.span(
            "interval", in: .milliseconds(200)...(.seconds(60)), default: health.interval)
        for var gpu in try section.sections("gpus") {
            health.gpus.append(
                NodeConfig.ConfiguredGPU(
                    name: try gpu.required("name", example: "RTX 4090"),
                    memoryTotal: try gpu.bytes("memory_total", default: 0),
                    memoryUsed: try gpu.bytes("memory_used", default: 0),
                    load: try gpu.number("load", in: 0...1, default: 0)))
            try gpu.finish()
        }
        guard health.gpus.count <= 8 else {
            throw section.error("gpus", "lists \(health.gpus.count)", advice: "a node reports at most 8 GPUs")
        }
        try section.finish()
        return health
    }

    private static func parseLimits(_ root: inout ConfigSection) throws(ConfigError) -> NodeConfig.Limits {
        var limits = NodeConfig.Limits()
        guard var section = try root.section("limits") else { return limits }
        limits.requestBodyBytes = Int(try section.bytes("request_body", default: UInt64(limits.requestBodyBytes)))
        limits.loginAttemptsPerMinute = try section.integer(
            "login_attempts_per_minute", in: 1...10_000, default: limits.loginAttemptsPerMinute)
        limits.requestsPerMinutePerUser = try section.integer(
            "requests_per_minute", in: 1...1_000_000, default: limits.requestsPerMinutePerUser)
        try section.finish()
        return limits
    }
}
