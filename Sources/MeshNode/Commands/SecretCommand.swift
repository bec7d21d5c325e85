import ArgumentParser
import Foundation

/// `meshnode secret`: the one that all nodes share, and a new one in its place.
struct SecretCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret", abstract: "Show which secret the nodes share, or replace it.",
        discussion: """
            Every handshake between nodes takes the cluster's secret, besides the nodes' own keys. It has epochs: 1 is the one \
            that 'meshnode init' drew. With each comes a data key, which core nodes alone have and seal shared values with.
            """,
        subcommands: [Show.self, Rotate.self], defaultSubcommand: Show.self)

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the epoch of the secret, and how far each node is.",
            usage: "meshnode secret [show] [<options>]", discussion: AgentOptions.explained())

        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                let document = try await agent.client.send(.GET, "/mesh/v1/secret").json
                agent.show(document) { SecretCommand.table(document) }
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Draw a new secret for all nodes, and take the old one out of use.",
            usage: "meshnode secret rotate [<options>]",
            discussion: """
                The asked node, of class core, draws it and seals a copy for each node. When every node that is alive has its \
                copy on disk, handshakes begin with it; when all do, the old one opens nothing any more. Connections that stand \
                go on. A node that is off meanwhile is handed the new secret when it comes back. Waits for the end. Values \
                are sealed under the new data key by and by; 'meshnode secret' shows how many are not yet.
                """)

        @OptionGroup(title: "Common") var options: AgentOptions

        /// A node that is alive and does not answer is waited for half a minute at each of two steps.
        private static let limit: Duration = .seconds(90)

        func run() async throws {
            try await options.ask { agent in
                let epoch = try await agent.client.send(.POST, "/mesh/v1/secret", body: Data("{}".utf8)).json["epoch"]
                let deadline = ContinuousClock.now + Self.limit
                var document = try await agent.client.send(.GET, "/mesh/v1/secret").json
                while document["is_changing"]?.isTrue == true, ContinuousClock.now < deadline {
                    try await Task.sleep(for: .milliseconds(200))
                    document = try await agent.client.send(.GET, "/mesh/v1/secret").json
                }
                guard document["is_changing"]?.isTrue != true else {
                    throw MeshClient.Unanswered(
                        description:
                            "epoch \(epoch.shown) is committed, but not in use everywhere; see 'meshnode secret'")
                }
                agent.show(document) {
                    ["the secret is now of epoch \(document["epoch"].shown); the old one opens nothing any more"]
                        + SecretCommand.table(document)
                }
            }
        }
    }

    fileprivate static func table(_ document: JSONValue) -> [String] {
        var table = TextTable(["node", "state", "holds", "uses"], numeric: [2, 3])
        for node in document["nodes"]?.elements ?? [] {
            table.add([
                node["name"].shown, node["state"]?.text ?? "unheard of",
                node["holds"]?.integer.map(String.init) ?? "-", node["uses"]?.integer.map(String.init) ?? "-",
            ])
        }
        let next = document["next"]?.integer.map { ", \($0) is being given out" } ?? ""
        let values = document["values"]
        return ["epoch \(document["epoch"].shown)\(next)"] + table.lines(ifEmpty: "no nodes") + [
            "values: \(values?["sealed"].shown ?? "0") sealed under its data key, "
                + "\(values?["sealed_before"].shown ?? "0") under older ones, \(values?["clear"].shown ?? "0") clear"
        ]
    }
}
