import ArgumentParser
import Foundation

/// `meshnode revoke`: a machine was stolen, or is trusted no longer.
struct RevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Shut a node out of the mesh for ever, as after a theft.",
        usage: "meshnode revoke <name> [<options>]",
        discussion: """
            Its vote is taken away first; then nobody speaks with it any more, its signing key leaves the published set, the \
            sessions that it granted and the join tokens that it made end, and the cluster's secret is replaced. There is no way \
            back: the machine may join again with new keys. Needs a core node, and a quorum without the revoked one.

            For a node that only retires, 'meshnode leave' on its machine is enough.
            """)

    @Argument(help: "The node's name.") var name: String
    @OptionGroup(title: "Common") var options: AgentOptions

    func run() async throws {
        try await options.ask { agent in
            let document = try await agent.client.send(
                .POST, "/mesh/v1/members/\(name.urlSegment)/revoke", body: Data("{}".utf8)
            ).json
            agent.show(document) { Self.lines(document) }
        }
    }

    private static func lines(_ document: JSONValue) -> [String] {
        let name = document["name"].shown
        let unreached = (document["not_reached"]?.elements ?? []).compactMap(\.text)
        var lines = [
            "\(name) is revoked: no node speaks with it, and its tokens and sessions count for nothing.",
            "The cluster's secret is being replaced by epoch \(document["epoch"].shown); 'meshnode secret' shows how far it is.",
        ]
        if unreached.isEmpty {
            lines.append("Every node knows.")
        } else {
            lines.append(
                "Not reached yet: \(unreached.joined(separator: ", ")). They learn it when they hear the mesh again; until then "
                    + "\(name) could still speak with them.")
        }
        return lines + [
            "What a person must still change, because it lay on \(name)'s disk:",
            "  - the keys of its backends (backend_keys in its secrets file), where they were issued",
            "  - passwords that were typed at it, or may be guessed from their verifiers if it was core:",
            "    meshnode users set-password NAME",
            "  - API keys and secrets that were stored as values, if it was core or they were used at it (meshnode kv list)",
            "  - its name in the 'peers' of the other nodes' configurations, when convenient",
        ]
    }
}
