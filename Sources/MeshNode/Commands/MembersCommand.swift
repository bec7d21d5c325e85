import ArgumentParser
import Foundation

/// `meshnode members`: everybody this node knows of, and who no longer counts.
struct MembersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members", abstract: "List the mesh's members and their places in it, or take one out.",
        discussion: """
            Without a subcommand, the list.
            """,
        subcommands: [List.self, Remove.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the mesh's members and their places in it.",
            usage: "meshnode members [list] [<options>]",
            discussion: AgentOptions.explained(
                """
                States: alive, suspect (silent; being asked through others), dead (given up), left (said goodbye). Voters \
                decide; observers receive the log and follow; whoever is neither has not been admitted. 'rank' is the preference \
                for primary. 'incarnation' counts a node's starts and its own denials of death. Load and hardware are in \
                'meshnode status'.
                """))

        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                let reply = try await agent.client.send(.GET, "/mesh/v1/status")
                let (document, status) = (try reply.json, try reply.decoded(as: MeshClient.Status.self))
                agent.show(.object(["members": document["members"] ?? .array([])])) { MembersCommand.table(status) }
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take out a member that is gone for good.",
            usage: "meshnode members remove <name> [<options>]",
            discussion: """
                No quorum counts it any longer, once the change is committed. Refused while it is alive: then 'meshnode leave' on \
                its machine does the same. Should it come back after all, it is admitted again, first without a vote.
                """)

        @Argument(help: "The member's name.") var name: String
        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                _ = try await agent.client.send(.DELETE, "/mesh/v1/members/\(name.urlSegment)")
                agent.show(.object(["name": .string(name), "removed": .bool(true)])) { ["removed \(name)"] }
            }
        }
    }

    static func table(_ status: MeshClient.Status) -> [String] {
        var table = TextTable(
            ["node", "state", "part", "class", "rank", "round trip", "incarnation", "mesh"], numeric: [4, 5])
        for member in status.members {
            let part =
                member.isPrimary ? "primary" : member.isVoter ? "voter" : member.isObserver == false ? "-" : "observer"
            table.add([
                member.name, member.state, part, member.class ?? "-", member.rank.map(String.init) ?? "-",
                member.name == status.node ? "self" : member.roundTripMs.map { Figures.milliseconds($0) } ?? "-",
                member.incarnation ?? "-", member.address ?? "-",
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
