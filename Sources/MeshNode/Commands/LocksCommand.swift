import ArgumentParser
import Foundation

/// `meshnode locks`: locks that end by themselves, with fencing tokens.
struct LocksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "locks", abstract: "Take, keep and give back locks of the mesh.",
        discussion: """
            A lock is granted for a time and ends by itself. Each grant has a token, and every later grant a greater one. \
            Whatever a holder changes should name its token ('kv put --lock NAME --token N'): who slept past its time is \
            refused there (exit 1), instead of overwriting what the next holder did.
            """,
        subcommands: [List.self, Acquire.self, Renew.self, Release.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the locks that are held, at most 1000 at once.",
            usage: "meshnode locks [list] [--after <name>] [--local] [<options>]",
            discussion: AgentOptions.explained())

        @Option(help: ArgumentHelp("Go on behind this name, for the next page.", valueName: "name")) var after: String?
        @Flag(help: "As this node has it, perhaps not the newest; works without a primary.") var local = false
        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                let parts = [after.map { "after=\($0.urlSegment)" }, local ? "consistency=local" : nil]
                let query = parts.compactMap { $0 }
                let path = "/mesh/v1/locks" + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
                let document = try await agent.client.send(.GET, path).json
                agent.show(document) {
                    var table = TextTable(["lock", "token", "ends in"], numeric: [1, 2])
                    for lock in document["locks"]?.elements ?? [] {
                        let rest = lock["expires_in_ms"].map { Figures.milliseconds(Double($0.integer ?? 0)) } ?? "-"
                        table.add([lock["name"].shown, lock["token"].shown, rest])
                    }
                    return table.lines(ifEmpty: "nothing is locked")
                }
            }
        }
    }

    struct Acquire: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a lock if it is free, and print its token.",
            usage: "meshnode locks acquire <name> [--ttl <seconds>] [--holder <digits>] [<options>]",
            discussion: """
                Refused (exit 1) while another holds it. After an unknown outcome (exit 5) repeat with the same --holder: the \
                attempt is recognised, and the grant is the same.
                """)

        @Argument(help: "The lock's name, 1 to 128 bytes.") var name: String
        @Option(help: ArgumentHelp("For how long, 0.1 to 86400.", valueName: "seconds")) var ttl = 30.0
        @Option(help: ArgumentHelp("32 hexadecimal digits that name this attempt.", valueName: "digits"))
        var holder: String?
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws {
            try ArgumentCheck.name(name, of: "lock")
            try ArgumentCheck.lockLifetime(ttl)
        }

        func run() async throws {
            try await options.ask { agent in
                struct Wanted: Encodable {
                    let ttl_seconds: Double
                    let holder: String?
                }
                let body = try JSONEncoder().encode(Wanted(ttl_seconds: ttl, holder: holder))
                let document = try await agent.client.send(.POST, "/mesh/v1/locks/\(name.urlSegment)", body: body).json
                agent.show(document) { ["locked \(name), token \(document["token"].shown), for \(ttl) s"] }
            }
        }
    }

    struct Renew: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keep a lock for longer.",
            usage: "meshnode locks renew <name> --token <token> [--ttl <seconds>] [<options>]")

        @Argument(help: "The lock's name.") var name: String
        @Option(help: ArgumentHelp("The grant's token.", valueName: "token")) var token: UInt64
        @Option(help: ArgumentHelp("For how long from now, 0.1 to 86400.", valueName: "seconds")) var ttl = 30.0
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws {
            try ArgumentCheck.name(name, of: "lock")
            try ArgumentCheck.lockLifetime(ttl)
        }

        func run() async throws {
            try await options.ask { agent in
                struct Wanted: Encodable {
                    let token: UInt64
                    let ttl_seconds: Double
                }
                let body = try JSONEncoder().encode(Wanted(token: token, ttl_seconds: ttl))
                let document = try await agent.client.send(.PUT, "/mesh/v1/locks/\(name.urlSegment)", body: body).json
                agent.show(document) { ["kept \(name), token \(token), for \(ttl) s"] }
            }
        }
    }

    struct Release: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a lock back.", usage: "meshnode locks release <name> --token <token> [<options>]")

        @Argument(help: "The lock's name.") var name: String
        @Option(help: ArgumentHelp("The grant's token.", valueName: "token")) var token: UInt64
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws { try ArgumentCheck.name(name, of: "lock") }

        func run() async throws {
            try await options.ask { agent in
                _ = try await agent.client.send(.DELETE, "/mesh/v1/locks/\(name.urlSegment)?token=\(token)")
                agent.show(.object(["name": .string(name), "released": .bool(true)])) { ["released \(name)"] }
            }
        }
    }
}
