import ArgumentParser
import Foundation

/// `meshnode topic`: publish and follow events.
struct TopicCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topic", abstract: "Publish events, and follow those of others.",
        discussion: """
            A topic is a name. Under 'log/' its events are kept by the mesh, in one order for everybody, each with a number \
            from which a reader goes on later. Any other topic is told once to whoever follows it at that moment, on any node.
            """,
        subcommands: [Publish.self, Follow.self])

    struct Publish: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Publish one event.", usage: "meshnode topic publish <name> [<text>] [<options>]",
            discussion: "Without TEXT, or with '-', the event is what comes on standard input.")

        @Argument(help: "The topic's name, 1 to 128 bytes.") var name: String
        @Argument(help: "The event.") var text: String?
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws { try ArgumentCheck.name(name, of: "topic") }

        func run() async throws {
            try await options.ask { agent in
                let bytes =
                    if let text, text != "-" { Data(text.utf8) } else {
                        FileHandle.standardInput.readDataToEndOfFile()
                    }
                let document = try await agent.client.send(
                    .POST, "/mesh/v1/topics/\(name.urlSegment)", body: bytes, fields: ["Content-Type": "text/plain"]
                ).json
                agent.show(document) {
                    document["id"] == nil
                        ? ["told \(document["told"].shown) other members of \(name), once"]
                        : ["kept in \(name) as \(document["id"].shown)"]
                }
            }
        }
    }

    struct Follow: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Follow a topic, until Ctrl-C.",
            usage: "meshnode topic follow <name> [--after <number>] [--count <count>] [<options>]",
            discussion: AgentOptions.explained(
                """
                A line for each event: its number where it is kept, its author, its text. With --json, one document a line: \
                {"event": "message", "gap" or "cut", "data": ...}.
                """))

        @Argument(help: "The topic's name.") var name: String
        @Option(help: ArgumentHelp("Begin behind this event; 0 for all that are kept.", valueName: "number"))
        var after: UInt64?
        @Option(help: "End after so many events.") var count: Int?
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws {
            try ArgumentCheck.name(name, of: "topic")
            guard count ?? 1 > 0 else { throw ValidationError("--count is at least 1.") }
        }

        func run() async throws {
            try await options.ask { agent in
                let place = after.map { "?after=\($0)" } ?? ""
                try await agent.follow("/mesh/v1/topics/\(name.urlSegment)\(place)", until: count) { event in
                    [(agent.json ? event.line : Self.line(for: event), counts: event.name == "message")]
                }
            }
        }

        private static func line(for event: MeshEvent) -> String {
            let data = event.data
            switch event.name {
            case "gap": return "events after \(data["after"].shown) up to \(data["through"].shown) are no longer kept"
            case "cut": return TextTable.harmless(data["reason"].shown)
            default:
                let number = data["id"] == nil ? "" : "\(data["id"].shown)  "
                return "\(number)\(TextTable.harmless("\(data["author"].shown)  \(data["text"].shown)"))"
            }
        }
    }
}
