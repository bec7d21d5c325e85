import ArgumentParser
import Foundation

/// `meshnode token`: invitations for machines.
struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "List, create and withdraw tokens with which machines join.",
        discussion: """
            A token lets one machine in, once, until it expires. What that machine will be is decided here: its class, its rank \
            and whether the mesh may let it vote. On the new machine: meshnode join --config FILE.
            """,
        subcommands: [List.self, Create.self, Revoke.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List join tokens; their secrets are not shown.", usage: "meshnode token [list] [<options>]",
            discussion: AgentOptions.explained())

        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                let document = try await agent.client.send(.GET, "/mesh/v1/tokens").json
                agent.show(document) {
                    var table = TextTable(
                        ["token", "state", "class", "role", "rank", "expires", "made by", "used by", "label"],
                        numeric: [4])
                    for token in document["tokens"]?.elements ?? [] {
                        table.add([
                            token["id"].shown, token["state"].shown, token["class"].shown, token["role"].shown,
                            token["rank"].shown, token["expires_at"].shown, token["author"].shown,
                            token["used_by"].shown, token["label"].shown,
                        ])
                    }
                    return table.lines(ifEmpty: "no tokens")
                }
            }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a token for one machine.",
            usage:
                "meshnode token create [--class <class>] [--role <role>] [--rank <rank>] [--ttl <minutes>] [<options>]",
            discussion: """
                It is shown this once, and is as good as a key until it is used: carry it to the machine as you would a \
                password. Needs a core node.
                """)

        @Option(
            name: .customLong("class"), help: "core (decides about the mesh and about people) or edge (can be stolen).")
        var trustClass = "edge"
        @Option(help: "observer (follows) or voter (may be made one when the mesh needs it).") var role = "observer"
        @Option(help: "Preference for becoming primary, 0 to 1000.") var rank = 0
        @Option(help: "Minutes until it expires, at most a week.") var ttl = 60
        @Option(help: "What it is for, to recognise it by.") var label = ""
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws {
            guard 1...10_080 ~= ttl else { throw ValidationError("--ttl takes 1 to 10,080 minutes, a week.") }
        }

        func run() async throws {
            try await options.ask { agent in
                let wish = JSONValue.object([
                    "class": .string(trustClass), "role": .string(role), "rank": .integer(rank),
                    "ttl_seconds": .integer(ttl * 60), "label": .string(label),
                ])
                let document = try await agent.client.send(.POST, "/mesh/v1/tokens", body: Data(wish.encode())).json
                agent.show(document) {
                    [
                        document["token"].shown,
                        "For one \(document["class"].shown) machine, \(document["role"].shown), until "
                            + "\(document["expires_at"].shown). It is shown this once. On the machine, with this on standard input:",
                        "  meshnode join --config FILE",
                        "To withdraw it: meshnode token revoke \(document["id"].shown)",
                    ]
                }
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Withdraw a token. A machine that has joined with it stays.",
            usage: "meshnode token revoke <id> [<options>]")

        @Argument(help: "Its id, as 'meshnode token' shows it.") var id: String
        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                _ = try await agent.client.send(.DELETE, "/mesh/v1/tokens/\(id.urlSegment)")
                agent.show(.object(["id": .string(id), "revoked": .bool(true)])) { ["withdrew \(id)"] }
            }
        }
    }
}
