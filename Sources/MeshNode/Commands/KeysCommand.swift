import ArgumentParser
import Foundation

/// `meshnode keys`: credentials for programs.
struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "List, create and revoke API keys.",
        discussion: """
            A key acts for the user who made it, with a role of its own that never reaches further than the user's. Programs \
            send it as 'Authorization: Bearer mesh_...'; this command line takes it from MESHNODE_TOKEN.
            """,
        subcommands: [List.self, Create.self, Revoke.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List API keys; their secrets are kept nowhere.",
            usage: "meshnode keys [--all] [<options>]",
            discussion: AgentOptions.explained(
                """
                Signed in: your own, or everybody's with --all (admin). Through the local socket: everybody's.
                """))

        @Flag(help: "Everybody's, not only mine (admin).") var all = false
        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                let query = all || agent.isLocal ? "?all=true" : ""
                let document = try await agent.client.send(.GET, "/mesh/v1/keys" + query).json
                agent.show(document) {
                    var table = TextTable(["key", "user", "role", "label"])
                    for key in document["keys"]?.elements ?? [] {
                        table.add([key["id"].shown, key["username"].shown, key["role"].shown, key["label"].shown])
                    }
                    return table.lines(ifEmpty: "no keys")
                }
            }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create an API key of yours; needs --user.",
            usage: "meshnode keys create [--label <label>] [--role <role>] --user <name> [<options>]",
            discussion: """
                The key is shown this once. It is a person's, so it takes that person's sign-in: the local socket alone, or \
                another key, cannot make one. Example:

                  export MESHNODE_TOKEN=$(meshnode keys create --user ada --label backup --json | jq -r .key)
                """)

        @Option(help: "What it is for, to recognise it by.") var label = ""
        @Option(help: "service (prompts and metrics only), user, operator or admin.") var role = "service"
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws { try checkRole(role) }

        func run() async throws {
            try await options.ask { agent in
                let wish = JSONValue.object(["label": .string(label), "role": .string(role)])
                let document = try await agent.client.send(.POST, "/mesh/v1/keys", body: Data(wish.encode())).json
                agent.show(document) {
                    [
                        document["key"].shown,
                        "It is shown this once: note it now. To end it: meshnode keys revoke \(document["id"].shown)",
                    ]
                }
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revoke an API key of yours, or anybody's (admin).",
            usage: "meshnode keys revoke <id> [<options>]")

        @Argument(help: "Its id, as 'meshnode keys' shows it.") var id: String
        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                _ = try await agent.client.send(.DELETE, "/mesh/v1/keys/\(id.urlSegment)")
                agent.show(.object(["id": .string(id), "revoked": .bool(true)])) { ["revoked \(id)"] }
            }
        }
    }
}
