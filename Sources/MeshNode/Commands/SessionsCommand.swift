import ArgumentParser
import Foundation

/// `meshnode sessions`: where people are signed in.
struct SessionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sessions", abstract: "List sessions and end them.",
        discussion: "A session that is ended is refused on every node that reaches the primary, at once.",
        subcommands: [List.self, Revoke.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List sessions, newest first.",
            usage: "meshnode sessions [--all] [<options>]",
            discussion: AgentOptions.explained(
                """
                Signed in: your own, or everybody's with --all (admin). Through the local socket: everybody's.
                """))

        @Flag(help: "Everybody's, not only mine (admin).") var all = false
        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                let query = all || agent.isLocal ? "?all=true" : ""
                let document = try await agent.client.send(.GET, "/mesh/v1/auth/sessions" + query).json
                agent.show(document) {
                    var table = TextTable(["session", "user", "signed in at", "on", "until", "client"])
                    for session in document["sessions"]?.elements ?? [] {
                        let mark = session["current"]?.isTrue == true ? " (this one)" : ""
                        table.add([
                            session["id"].shown, session["username"].shown, session["created_at"].shown,
                            session["node"].shown, session["expires_at"].shown, session["client"].shown + mark,
                        ])
                    }
                    return table.lines(ifEmpty: "nobody is signed in")
                }
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End sessions.",
            usage: "meshnode sessions revoke (<id> ... | --of <name>) [<options>]",
            discussion:
                "By their ids, or all of one user with --of: yours but for the one that asks, or another's (admin).")

        @Argument(help: "Ids, as 'meshnode sessions' shows them.") var ids: [String] = []
        @Option(help: ArgumentHelp("Every session of this user.", valueName: "name")) var of: String?
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws {
            guard ids.isEmpty != (of == nil) else {
                throw ValidationError("Give the ids of sessions, or --of with a user's name, and not both.")
            }
        }

        func run() async throws {
            try await options.ask { agent in
                var ended = 0
                if let of {
                    let path = "/mesh/v1/auth/sessions?user=\(of.urlSegment)"
                    ended = try await agent.client.send(.DELETE, path).json["ended"]?.integer ?? 0
                }
                for id in ids {
                    _ = try await agent.client.send(.DELETE, "/mesh/v1/auth/sessions/\(id.urlSegment)")
                    ended += 1
                }
                agent.show(.object(["ended": .integer(ended)])) { ["ended \(ended) session\(ended == 1 ? "" : "s")"] }
            }
        }
    }
}
