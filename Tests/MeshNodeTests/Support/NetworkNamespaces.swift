import Foundation

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Small machines of their own on this one: one Linux network namespace for each node, joined by a bridge in yet another.
///
/// ```
///  ns 1        ns 2       ...    switch                     this machine
///  eth0 .1     eth0 .2           br0 ── one port each ──    mnX .254
/// ```
/// The bridge has a namespace to itself so that this machine's own firewall never sees what the nodes say to each other.
/// Everything carries a random mark in its name, and is removed by that name.
final class NetworkNamespaces {
    let count: Int
    private let mark: String
    private let third: Int

    var network: String { "10.77.\(third).0/24" }

    /// Why none can be made here; nil where they can.
    static func obstacle() async -> String? {
        guard geteuid() == 0 else { return "only root may make network namespaces" }
        let probe = "mnprobe\(UInt16.random(in: 0...UInt16.max))"
        do {
            try await command("ip", "netns", "add", probe)
            defer { Task { try? await command("ip", "netns", "del", probe) } }
            try await command("ip", "netns", "exec", probe, "iptables", "-L", "-n")
            return nil
        } catch {
            return "\(error)"
        }
    }

    static func run<Result>(count: Int, _ body: (NetworkNamespaces) async throws -> Result) async throws -> Result {
        let namespaces = NetworkNamespaces(count: count)
        do {
            try await namespaces.build()
            let result = try await body(namespaces)
            await namespaces.remove()
            return result
        } catch {
            await namespaces.remove()
            throw error
        }
    }

    private init(count: Int) {
        self.count = count
        mark = "mn" + String(UInt16.random(in: 0x1000...UInt16.max), radix: 16)
        third = Int.random(in: 0...255)
    }

    func address(_ node: Int) -> String { "10.77.\(third).\(node)" }

    /// Starts a program inside a node's namespace.
    func start(_ node: Int, _ program: String, _ arguments: [String]) throws -> ChildProcess {
        try ChildProcess("/usr/bin/env", ["ip", "netns", "exec", name(node), program] + arguments)
    }

    /// Drops everything between the two sides, in both directions.
    func cut(_ side: [Int], from other: [Int]) async throws {
        for node in side + other {
            for peer in side.contains(node) ? other : side {
                try await iptables(node, "-A", "INPUT", "-s", address(peer), "-j", "DROP")
                try await iptables(node, "-A", "OUTPUT", "-d", address(peer), "-j", "DROP")
            }
        }
    }

    func heal() async throws {
        for node in 1...count { try await iptables(node, "-F") }
    }

    private func iptables(_ node: Int, _ arguments: String...) async throws {
        try await Self.command(["ip", "netns", "exec", name(node), "iptables", "-w"] + arguments)
    }

    private func name(_ node: Int) -> String { "\(mark)-\(node)" }
    private var bridge: String { "\(mark)-switch" }

    private func build() async throws {
        try await Self.command("ip", "netns", "add", bridge)
        try await Self.command("ip", "-n", bridge, "link", "add", "br0", "type", "bridge")
        try await Self.command("ip", "-n", bridge, "link", "set", "br0", "up")
        for node in 1...count {
            try await Self.command("ip", "netns", "add", name(node))
            try await Self.command(
                "ip", "-n", name(node), "link", "add", "eth0", "type", "veth", "peer", "name", "port\(node)", "netns",
                bridge)
            try await Self.command("ip", "-n", name(node), "address", "add", address(node) + "/24", "dev", "eth0")
            try await Self.command("ip", "-n", name(node), "link", "set", "lo", "up")
            try await Self.command("ip", "-n", name(node), "link", "set", "eth0", "up")
            try await plug("port\(node)")
        }
        try await Self.command("ip", "link", "add", mark, "type", "veth", "peer", "name", "host", "netns", bridge)
        try await Self.command("ip", "address", "add", address(254) + "/24", "dev", mark)
        try await Self.command("ip", "link", "set", mark, "up")
        try await plug("host")
    }

    private func plug(_ port: String) async throws {
        try await Self.command("ip", "-n", bridge, "link", "set", port, "master", "br0", "up")
    }

    /// A link goes when the namespace of either end does.
    private func remove() async {
        for name in (1...count).map(name) + [bridge] { try? await Self.command("ip", "netns", "del", name) }
        try? await Self.command("ip", "link", "del", mark)
    }

    private static func command(_ words: String...) async throws { try await command(words) }

    private static func command(_ words: [String]) async throws {
        let outcome = try await ChildProcess.run("/usr/bin/env", words)
        guard outcome.status == 0 else {
            throw DemoTrouble("`\(words.joined(separator: " "))` failed: \(outcome.complaints)")
        }
    }
}
