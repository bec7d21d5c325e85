import Foundation
import Testing

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Everything that runs real agents: one test after another, since each wants the machine for itself.
@Suite("Real processes", .serialized)
enum RealProcesses {}

/// The demo's five agents, with the means to kill each and to start it again by hand.
final class FiveNodes {
    let demo: DemoProcess
    private var restarted: [String: ChildProcess] = [:]

    private init(_ demo: DemoProcess) { self.demo = demo }

    /// Starts them, hands them over when the demo is ready, and ends them all, whatever happens.
    static func run<Result>(
        folder: URL? = nil, options: [String] = ["--no-model"], _ body: (FiveNodes) async throws -> Result
    ) async throws -> Result {
        guard let folder else {
            return try await withFolder { try await run(folder: $0, options: options, body) }
        }
        return try await DemoProcess.run(directory: folder.appendingPathComponent("demo"), options: options) { demo in
            let nodes = FiveNodes(demo)
            do {
                let result = try await body(nodes)
                await nodes.stopRestarted()
                return result
            } catch {
                await nodes.stopRestarted()
                throw DemoTrouble("\(error)\n\(nodes.logTails())")
            }
        }
    }

    var all: [NodeClient] { demo.nodes.map { NodeClient(name: $0.node, base: $0.http) } }
    var user: String { demo.ready.user }
    var password: String { demo.ready.password }

    subscript(name: String) -> NodeClient {
        NodeClient(name: name, base: node(name).http)
    }

    func others(than name: String) -> [NodeClient] { all.filter { $0.name != name } }

    func node(_ name: String) -> DemoProcess.Node {
        guard let node = demo.nodes.first(where: { $0.node == name }) else {
            preconditionFailure("the demo has no \(name)")
        }
        return node
    }

    func login(on name: String) async throws -> NodeClient.Session { try await self[name].login(user, password) }

    /// SIGKILL, and its process is gone when this returns.
    func kill9(_ name: String) async throws {
        if let child = restarted.removeValue(forKey: name) {
            child.signal(SIGKILL)
            _ = try await child.outcome(within: .seconds(10))
        } else {
            let pid = node(name).pid
            kill(pid, SIGKILL)
            try await pollUntil("\(name) is gone", within: .seconds(10)) { !processRuns(pid) }
        }
    }

    /// `meshnode run --config FILE`, as a person would. It ends with these tests.
    func startByHand(_ name: String) throws {
        restarted[name] = try .meshNode(["run", "--config", node(name).config, "--until-input-ends"])
    }

    /// Waits until all of them name the same primary, and tells which.
    func agreement(
        among clients: [NodeClient], token: String, within limit: Duration, on expected: String? = nil
    ) async throws -> String {
        try await poll("\(clients.map(\.name)) agree on \(expected ?? "a primary")", within: limit) {
            var named: [String] = []
            for client in clients {
                guard let primary = try await client.signedIn(token).primary() else { return nil }
                named.append(primary)
            }
            guard Set(named).count == 1, expected == nil || named[0] == expected else {
                throw DemoTrouble("they name \(named)")
            }
            return named[0]
        }
    }

    private func stopRestarted() async {
        for child in restarted.values { await child.stop() }
    }

    private func logTails() -> String {
        let logs = demo.nodes.map { node in
            let path = URL(fileURLWithPath: node.config).deletingLastPathComponent().deletingLastPathComponent()
                .appendingPathComponent("logs/\(node.node).log").path
            let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            let again = restarted[node.node].map { "\n  by hand: " + $0.complaints.suffix(600) } ?? ""
            return "--- \(node.node): \(text.suffix(600))\(again)"
        }
        return logs.joined(separator: "\n")
    }
}
