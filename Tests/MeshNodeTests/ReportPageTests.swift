import Foundation
import MeshNode
import Simulator
import Testing

@Suite("The page of a simulated run")
struct ReportPageTests {
    @Test("everything is inside, and nothing that the data holds ends its element")
    func selfContained() throws {
        let text = "# A story </script> of one.\nnodes 1\n\nstart\nawait primary\n----\nn1 is primary, seen by n1\n"
        let scenario = try ScenarioParser.parse(text)
        var runner = ScenarioRunner(scenario, isRecorded: true)
        let outcome = try runner.run()
        let recording = try #require(outcome.recording)
        let page = ReportPage(
            scenario, file: "/tmp/some-story.scenario", seed: nil, outcome: outcome, recording: recording)
        let html = String(decoding: try page.render(), as: UTF8.self)
        #expect(html.contains("Some story"))
        #expect(!html.contains("<!--"), "a part is missing")
        #expect(html.components(separatedBy: "</script>").count == 3, "the data ended its element")
        for outside in ["src=", "href=", "@import", "url("] { #expect(!html.contains(outside), "\(outside)") }
    }
}
