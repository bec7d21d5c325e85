import ArgumentParser
import Foundation

/// `meshnode members`: everybody this node knows of.
struct MembersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members", abstract: "List the mesh's members and their places in it.",
        usage: "meshnode members [<options>]",
        discussion: AgentOptions.explained(
            """
            States: alive, suspect (silent; being asked through others), dead (given up), left (said goodbye). Voters decide; \
            observers follow. 'rank' is the preference for primary. 'incarnation' counts a node's starts and its own denials of \
            death. Load and hardware are in 'meshnode status'.
            """))

    @OptionGroup(title: "Common") var options: AgentOptions

    func run() async throws {
        try await options.ask { agent in
            let reply = try await agent.client.send(.GET, "/mesh/v1/status")
            let (document, status) = (try reply.json, try reply.decoded(as: MeshClient.Status.self))
            agent.show(.object(["members": document["members"] ?? .array([])])) { Self.table(status) }
        }
    }

    static func table(_ status: MeshClient.Status) -> [String] {
        var table = TextTable(
            ["node", "state", "part", "class", "rank", "round trip", "incarnation", "mesh"], numeric: [4, 5])
        for member in status.members {
            let part = member.isPrimary ? "primary" : member.isVoter ? "voter" : "observer"
            table.add([
                member.name, member.state, part, member.class ?? "-", member.rank.map(String.init) ?? "-",
                member.name == status.node ? "self" : member.roundTripMs.map { Figures.milliseconds($0) } ?? "-",
                member.incarnation, member.address,
            ])
        }
        return table.lines(ifEmpty: "no members")
    }
}

/// Figures as people read them.
enum Figures {
    /// Three digits: `0.31 ms`, `12 ms`, `4.2 s`.
    static func milliseconds(_ value: Double) -> String {
        switch value {
        case ..<10: String(format: "%.2f ms", value)
        case ..<1000: String(format: "%.0f ms", value)
        default: String(format: "%.1f s", value / 1000)
        }
    }
}
