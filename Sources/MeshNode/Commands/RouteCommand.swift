import ArgumentParser
import Foundation

/// `meshnode route explain`: where a prompt would go, and why.
struct RouteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "route", abstract: "Ask how prompts are routed.", subcommands: [Explain.self])

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show where a prompt would go now, and why, without sending one.",
            usage: "meshnode route explain <model> [--prompt-tokens <tokens>] [--max-tokens <tokens>] [<options>]",
            discussion: AgentOptions.explained(
                """
                Every candidate with its estimate until the answer is done, cheapest first, and the terms that make it up: \
                the round trip, the wait for a free slot, loading a cold model, reading the prompt, writing the answer, and \
                what may go wrong. Nodes that cannot answer are listed with the reason. Exits with 1 if nobody can.
                """))

        @Argument(help: "The model, as in 'ollama list' or /v1/models.") var model: String
        @Option(help: ArgumentHelp("Length of the prompt (default: 256).", valueName: "tokens")) var promptTokens: Int?
        @Option(help: ArgumentHelp("Longest answer that is wanted.", valueName: "tokens")) var maxTokens: Int?
        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                let question = JSONValue.object([
                    "model": .string(model), "prompt_tokens": promptTokens.map { .integer($0) },
                    "max_tokens": maxTokens.map { .integer($0) },
                ])
                let document = try await agent.client.send(
                    .POST, "/mesh/v1/route/explain", body: Data(question.encode())
                ).json
                agent.show(document) { RouteTablePage(document, model: model).lines }
                if document["winner"]?.text == nil { throw ExitCode(ExitStatus.refused.rawValue) }
            }
        }
    }
}

/// A routing decision for people: the winner in words, the candidates in a table, the excluded below.
package struct RouteTablePage {
    private let document: JSONValue
    private let model: String

    package init(_ document: JSONValue, model: String) {
        self.document = document
        self.model = model
    }

    package var lines: [String] {
        let places = document["candidates"]?.elements ?? []
        let candidates = places.filter { $0["excluded"]?.text == nil }
        let excluded = places.filter { $0["excluded"]?.text != nil }
        return head(candidates) + table(candidates) + reasons(excluded)
    }

    private func head(_ candidates: [JSONValue]) -> [String] {
        let name = TextTable.harmless(model)
        guard let winner = candidates.first, document["winner"]?.text != nil else {
            let isUnknown = document["candidates"]?.elements?.isEmpty ?? true
            return ["nobody can answer for \(name) now" + (isUnknown ? ": no node that is there has it" : "")]
        }
        let tokens = document["prompt_tokens"]?.integer.map { " with \($0) tokens" } ?? ""
        let estimate = winner["eta_ms"]?.double.map(Figures.milliseconds) ?? "?"
        let place = TextTable.harmless("\(winner["node"].shown)/\(winner["backend"].shown)")
        return ["a prompt\(tokens) for \(name) would go to \(place), done in about \(estimate)", ""]
    }

    /// Whatever terms the decision has, in its order.
    private func table(_ candidates: [JSONValue]) -> [String] {
        guard let terms = candidates.first?["terms"]?.members?.map(\.name) else { return [] }
        let heads = terms.map { $0.replacing("_", with: " ") }
        var table = TextTable(["", "node", "backend", "estimate"] + heads, numeric: Set(3..<(4 + terms.count)))
        for (place, candidate) in candidates.enumerated() {
            let figures = [candidate["eta_ms"]] + terms.map { candidate["terms"]?[$0] }
            table.add(
                [place == 0 ? "*" : "", candidate["node"].shown, candidate["backend"].shown]
                    + figures.map { $0?.double.map(Figures.milliseconds) ?? "-" })
        }
        return table.lines(ifEmpty: "")
    }

    private func reasons(_ excluded: [JSONValue]) -> [String] {
        guard !excluded.isEmpty else { return [] }
        var table = TextTable(["not asked", "because"])
        for place in excluded { table.add([place["node"].shown, place["excluded"].shown.replacing("-", with: " ")]) }
        return [""] + table.lines(ifEmpty: "")
    }
}
