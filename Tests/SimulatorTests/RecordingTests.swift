import Foundation
import Simulator
import Testing

@Suite("Recordings")
struct RecordingTests {
    private static let story = """
        nodes 3
        seed 5

        start
        await primary n1
        partition n1 | n2 n3
        run 2s
        crash n3
        heal
        run 1s
        ----
        """

    private static func play(isRecorded: Bool) throws -> ScenarioRunner.Outcome {
        var runner = ScenarioRunner(try ScenarioParser.parse(story), isRecorded: isRecorded)
        return try runner.run()
    }

    @Test("a recording shows who led when, what was cut, who died and every step of the story")
    func content() throws {
        let recording = try #require(try Self.play(isRecorded: true).recording)
        #expect(recording.isComplete)
        #expect(recording.captions.count == 7)
        #expect(recording.cuts.count == 2, "cut, and healed")
        #expect(recording.lives.count == 4, "three starts and one crash")
        #expect(Set(recording.reigns.map(\.node)).count >= 2, "n1 led, and then another")
        let ends = recording.reigns.sorted { $0.at < $1.at }
        for (earlier, later) in zip(ends, ends.dropFirst()) {
            #expect(earlier.until <= later.at, "two primaries in one picture")
        }
        #expect(recording.messages.contains { $0.arrival < 0 }, "the split swallowed messages")
        #expect(recording.messages.contains { $0.kind == "heartbeat" })
        #expect(recording.end > 3_000_000)
        #expect(try JSONEncoder().encode(recording).count > 1000)
    }

    @Test("recording changes nothing of the run")
    func observer() throws {
        let recorded = try Self.play(isRecorded: true)
        let plain = try Self.play(isRecorded: false)
        #expect(recorded.traceHash == plain.traceHash)
        #expect(plain.recording == nil)
    }
}
