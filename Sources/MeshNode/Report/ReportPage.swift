import Foundation
import Simulator

/// One page that shows a simulated run: a timeline of every node, the mesh at any moment, the story beside it.
/// Everything is inside the file, so it can be kept with a bug report and opened anywhere.
///
/// Its parts lie in Report/Page, beside the binary like the interface's; here they and the run's data are put together.
package struct ReportPage: Encodable {
    let title: String
    /// What the story is about, from the scenario's first comment.
    let about: String
    let seed: UInt64
    let passed: Bool
    let failures: [String]
    /// How often each class of fault took effect.
    let faults: [String: Int]
    let recording: Recording

    /// The page as HTML. Throws if a part is missing beside the binary.
    package func render() throws -> Data {
        let folder = URL(fileURLWithPath: try InterfaceFiles.locate()).deletingLastPathComponent()
            .appendingPathComponent("Page")
        var page = try Self.part("report.html", in: folder)
        let scripts = try ["model.js", "lanes.js", "panel.js"].map { try Self.part($0, in: folder) }
        // "</" would end the script element that holds the data.
        let data = String(decoding: try JSONEncoder().encode(self), as: UTF8.self)
            .replacingOccurrences(of: "</", with: "<\\/")
        for (place, content) in [
            ("<!--STYLE-->", try Self.part("report.css", in: folder)),
            ("<!--SCRIPT-->", scripts.joined(separator: "\n")), ("<!--DATA-->", data),
        ] {
            guard let range = page.range(of: place) else {
                throw StartFailure("report.html in \(folder.path) has no place for \(place)")
            }
            page.replaceSubrange(range, with: content)
        }
        return Data(page.utf8)
    }

    private static func part(_ name: String, in folder: URL) throws -> String {
        let url = folder.appendingPathComponent(name)
        guard let data = FileManager.default.contents(atPath: url.path) else {
            throw StartFailure("\(url.path) is missing: keep the folder of resources beside the binary as it was built")
        }
        return String(decoding: data, as: UTF8.self)
    }
}

extension ReportPage {
    package init(
        _ scenario: Scenario, file: String, seed: UInt64?, outcome: ScenarioRunner.Outcome, recording: Recording
    ) {
        title =
            URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
            .replacingOccurrences(of: "-", with: " ").capitalizedAtStart
        let comments = scenario.header.prefix { $0.hasPrefix("#") }
        about = Self.paragraphs(comments.map { String($0.drop { $0 == "#" || $0 == " " }) })
        self.seed = seed ?? scenario.seed
        passed = outcome.passed
        failures = outcome.failures
        faults = outcome.faults.byName
        self.recording = recording
    }

    /// Lines joined to paragraphs, which empty lines separate.
    private static func paragraphs(_ lines: [String]) -> String {
        lines.split(separator: "").map { $0.joined(separator: " ") }.joined(separator: "\n")
    }
}

extension String {
    fileprivate var capitalizedAtStart: String { prefix(1).uppercased() + dropFirst() }
}

extension FaultCounts {
    var byName: [String: Int] { Dictionary(uniqueKeysWithValues: occurred.map { ($0.fault.name, $0.count) }) }
}
