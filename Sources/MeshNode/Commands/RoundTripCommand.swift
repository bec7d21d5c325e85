import ArgumentParser
import Gossip
import Primitives

/// `meshnode rtt`: the round trip between two nodes, as their coordinates tell it.
struct RoundTripCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rtt", abstract: "Estimate the round trip between two nodes.",
        usage: "meshnode rtt <node> [<other node>] [<options>]",
        discussion: AgentOptions.explained(
            """
            Each node finds its place in an imagined space from the answers that it gets anyway (Vivaldi coordinates); the \
            distance of two places estimates their round trip, though neither is asked now. With one name, from the asked \
            node. Where the asked node is one of the two, what it measured itself is shown beside. 'expected error' is what \
            both nodes think of their own places: a mesh that has just begun is sure of nothing.
            """))

    @Argument(help: "A node's name.") var node: String
    @Argument(help: "Another node's name (default: the asked node).") var other: String?
    @OptionGroup(title: "Common") var options: AgentOptions

    func run() async throws {
        try await options.ask { agent in
            let status = try await agent.client.send(.GET, "/mesh/v1/status").json
            let estimate = try RoundTripEstimate(between: node, and: other, in: status)
            agent.show(estimate.document) { estimate.lines }
        }
    }
}

/// What one node's status says about the path between two members.
package struct RoundTripEstimate {
    private let names: [String]
    private let milliseconds: Double
    /// Relative; the larger of both nodes'.
    private let error: Double
    /// By the asked node, if it is one of the two.
    private let measured: Double?

    /// - Parameter other: the asked node if nil.
    package init(between node: String, and other: String?, in status: JSONValue) throws {
        let asked = status["node"]?.text ?? ""
        let names = [node, other ?? asked]
        guard names[0] != names[1] else { throw ValidationError("A round trip needs two nodes.") }
        let members = try names.map { name in
            guard let member = status["members"]?.elements?.first(where: { $0["name"]?.text == name }) else {
                throw ValidationError("No node is called '\(name)'. 'meshnode members' lists them.")
            }
            return member
        }
        let places = try zip(names, members).map { name, member in
            guard let place = Coordinate(member["coordinate"]) else {
                throw ValidationError("'\(name)' has not said where it stands yet. Try again in a minute.")
            }
            return place
        }
        self.names = names
        milliseconds = places[0].roundTrip(to: places[1]).inSeconds * 1000
        error = max(places[0].error, places[1].error)
        measured = names.contains(asked) ? members.compactMap { $0["round_trip_ms"]?.double }.first : nil
    }

    package var document: JSONValue {
        .object([
            "nodes": .array(names.map { .string($0) }), "estimate_ms": .number("\(milliseconds)"),
            "expected_error": .number("\(error)"), "measured_ms": measured.map { .number("\($0)") },
        ])
    }

    package var lines: [String] {
        let between = TextTable.harmless("\(names[0]) and \(names[1])")
        let estimate = "\(Figures.milliseconds(milliseconds)) between \(between), by their coordinates"
        let doubt = "expected error \(Int((error * 100).rounded())) %"
        let seen = measured.map { ["\(Figures.milliseconds($0)) measured by the asked node"] } ?? []
        return ["\(estimate) (\(doubt))"] + seen
    }
}

extension Coordinate {
    /// As a status document states it.
    fileprivate init?(_ stated: JSONValue?) {
        let position = stated?["position_ms"]?.elements?.compactMap(\.double) ?? []
        guard let height = stated?["height_ms"]?.double, let error = stated?["error"]?.double, position.count == 4
        else {
            return nil
        }
        self.init(position: SIMD4(position.map { $0 * 1000 }), height: height * 1000, error: error)
    }
}
