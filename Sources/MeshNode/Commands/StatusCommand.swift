import ArgumentParser
import Foundation

/// `meshnode status`: the mesh as one node sees it.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show the mesh as one node sees it.",
        usage: "meshnode status [<options>]",
        discussion: AgentOptions.explained(
            """
            Who is primary, how many voters are within reach, and each node's load. '*' marks the primary, 'running' is \
            requests being generated over slots.
            """))

    @OptionGroup(title: "Common") var options: AgentOptions

    func run() async throws {
        try await options.ask { agent in
            let reply = try await agent.client.send(.GET, "/mesh/v1/status")
            let (document, status) = (try reply.json, try reply.decoded(as: MeshClient.Status.self))
            agent.show(document) { StatusTable.render(status) }
        }
    }
}

/// The mesh as lines of text, for terminals.
enum StatusTable {
    static func render(_ status: MeshClient.Status) -> [String] {
        let primary = status.primary.map { "\($0) is primary" } ?? "no primary known here"
        let quorum = "\(status.quorum.reachable) of \(status.quorum.voters) voters reachable"
        let observers = status.quorum.observers.map { $0 == 0 ? "" : ", \($0) observing" } ?? ""
        let timeout = status.electionTimeoutMs.map { "; election timeout \($0) ms" } ?? ""
        var lines = [
            "\(primary), term \(status.term), as \(status.node) sees it; \(quorum)\(observers)\(timeout)", "",
        ]
        lines.append(row("node", "state", "cpu", "gpu", "memory", "running", "http"))
        for member in status.members {
            let health = member.health
            let gpu = health?.gpus?.compactMap(\.load).max().map(percent) ?? "-"
            let memory = health?.memory.map { $0.total > 0 ? percent(Double($0.used) / Double($0.total)) : "-" } ?? "-"
            let running = health.map { "\($0.running ?? 0)/\($0.slots ?? 0)" } ?? "-"
            let mark = member.name == status.primary ? "* " : "  "
            lines.append(
                row(
                    mark + member.name, member.state, health?.cpu.map(percent) ?? "-", gpu, memory, running,
                    member.http ?? "-"))
        }
        return lines
    }

    private static func row(_ cells: String...) -> String {
        let widths = [16, 9, 6, 6, 8, 9, 0]
        return zip(cells, widths).map { cell, width in
            cell + String(repeating: " ", count: max(width - cell.count, width == 0 ? 0 : 1))
        }.joined()
    }

    private static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded()))%" }
}
