import ArgumentParser
import Foundation
import NIOCore

/// `meshnode events`: what happens in the mesh, as it happens.
struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Follow what happens in the mesh, until Ctrl-C.",
        usage: "meshnode events [--count <count>] [<options>]",
        discussion: AgentOptions.explained(
            """
            A line for each change of primary, term, quorum or a member's state, and for each prompt that the asked node \
            routed. With --json, one document a line: {"event": "status" or "route", "data": ...}, where status is the whole \
            of 'meshnode status --json' after every change, at least every 5 s.
            """))

    @Option(help: "End after so many lines.") var count: Int?
    @OptionGroup(title: "Common") var options: AgentOptions

    func validate() throws {
        guard count ?? 1 > 0 else { throw ValidationError("--count is at least 1.") }
    }

    func run() async throws {
        try await options.ask { agent in
            var narrator = EventNarrator()
            try await agent.follow("/mesh/v1/events", until: count) { event in
                (agent.json ? [event.line] : narrator.lines(for: event)).map { ($0, counts: true) }
            }
        }
    }
}

extension AgentLink {
    /// Prints what `lines` makes of each event of this stream, until as many lines as wanted of those that count.
    func follow(
        _ target: String, until count: Int?, lines: (MeshEvent) -> [(text: String, counts: Bool)]
    ) async throws {
        struct Enough: Error {}
        var reader = EventReader()
        var left = count ?? .max
        do {
            try await client.stream(target) { piece in
                for (text, counts) in try reader.push(piece).flatMap(lines) {
                    // At once, into a pipe too.
                    FileHandle.standardOutput.write(Data((text + "\n").utf8))
                    if counts { left -= 1 }
                    guard left > 0 else { throw Enough() }
                }
            }
        } catch is Enough {
            return
        }
        throw MeshClient.Unreachable("the agent at \(client.place) has ended the stream")
    }
}

/// One server-sent event, its data as JSON.
package struct MeshEvent {
    package let name: String
    package let data: JSONValue

    /// For programs.
    var line: String {
        String(decoding: JSONValue.object(["event": .string(name), "data": data]).encode(), as: UTF8.self)
    }
}

/// Reads a stream of server-sent events (HTML Standard §9.2), as far as agents use them: `event` and one line of `data`.
package struct EventReader {
    private var splitter = LineSplitter()
    private var name = ""

    package init() {}

    package mutating func push(_ piece: ByteBuffer) throws -> [MeshEvent] {
        var events: [MeshEvent] = []
        for bytes in try splitter.push(piece) {
            let line = String(decoding: bytes, as: UTF8.self)
            if line.hasPrefix("event: ") {
                name = String(line.dropFirst(7))
            } else if line.hasPrefix("data: ") {
                events.append(MeshEvent(name: name, data: try JSONParser.parse(Array(line.utf8.dropFirst(6)))))
            }
        }
        return events
    }
}

/// Tells events in words: of a status only what is new in it.
package struct EventNarrator {
    private var last: JSONValue?
    private let clock: () -> String

    package init(clock: @escaping () -> String = { Date().formatted(.iso8601.time(includingFractionalSeconds: false)) })
    {
        self.clock = clock
    }

    package mutating func lines(for event: MeshEvent) -> [String] {
        let facts: [String]
        switch event.name {
        case "status":
            facts = news(in: event.data)
            last = event.data
        case "route": facts = [Self.route(event.data)]
        default: facts = []
        }
        return facts.map { "\(clock())  \(TextTable.harmless($0))" }
    }

    private func news(in status: JSONValue) -> [String] {
        var facts: [String] = []
        let isFirst = last == nil
        if isFirst || status["primary"] != last?["primary"] || status["term"] != last?["term"] {
            let node = status["node"].shown
            facts.append(
                status["primary"]?.text.map { "\($0) is primary, term \(status["term"].shown)" }
                    ?? "no primary is known to \(node), term \(status["term"].shown)")
        }
        if isFirst || status["quorum"]?["reachable"] != last?["quorum"]?["reachable"] {
            facts.append(
                "\(status["quorum"]?["reachable"].shown ?? "-") of \(status["quorum"]?["voters"].shown ?? "-") voters reachable"
            )
        }
        if let before = last?["is_isolated"], before != status["is_isolated"] {
            facts.append(
                status["is_isolated"]?.isTrue == true ? "this node hears nobody" : "this node hears others again")
        }
        return facts + members(in: status)
    }

    private func members(in status: JSONValue) -> [String] {
        let before = last?["members"]?.elements ?? []
        return (status["members"]?.elements ?? []).compactMap { member in
            let known = before.first { $0["id"] == member["id"] }
            guard known?["state"] != member["state"] else { return nil }
            return "\(member["name"].shown) is \(member["state"].shown)"
        }
    }

    private static func route(_ data: JSONValue) -> String {
        let place = data["node"]?.text.map { "\($0)/\(data["backend"].shown)" } ?? "nobody"
        let span = data["total_ms"]?.double.map(Figures.milliseconds) ?? "?"
        let tokens = data["tokens"]?.integer.map { ", \($0) tokens" } ?? ""
        return "prompt for \(data["model"].shown): \(place), \(data["result"].shown) after \(span)\(tokens)"
    }
}
