import Foundation
import Primitives
import Simulator
import Testing

/// The transcripts under simulations/ are the project's split-brain promises.
@Suite("Scenario files")
struct ScenarioFileTests {
    static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("simulations")

    static let files: [String] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
        return names.filter { $0.hasSuffix(".scenario") }.sorted()
    }()

    @Test("prints what it says it prints", arguments: files)
    func transcript(file: String) throws {
        let text = try String(contentsOf: Self.directory.appendingPathComponent(file), encoding: .utf8)
        var runner = ScenarioRunner(try ScenarioParser.parse(text))
        let outcome = try runner.run()
        #expect(
            outcome.passed,
            "\(outcome.failures.joined(separator: "\n"))\nreplay: meshnode simulate simulations/\(file)")
    }
}
