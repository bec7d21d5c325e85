import Simulator
import Testing

@Suite("Reading transcripts")
struct ScenarioParserTests {
    @Test("settings, comments, commands and expected lines are told apart")
    func whole() throws {
        let scenario = try ScenarioParser.parse(
            """
            # A story.
            nodes 3
            seed 9

            # First step.
            start
            await primary n1 within=2s
            ----
            n1 is primary, seen by n1 n2 n3
            """)
        #expect(scenario.nodes == 3)
        #expect(scenario.seed == 9)
        let block = try #require(scenario.blocks.first)
        #expect(block.comments == ["# First step."])
        #expect(block.commands.map(\.verb) == ["start", "await"])
        #expect(block.commands.map(\.line) == [6, 7])
        #expect(block.commands[1].arguments == ["primary", "n1"])
        #expect(block.commands[1].option("within") == "2s")
        #expect(block.expected == ["n1 is primary, seen by n1 n2 n3"])
    }

    @Test("a rewritten transcript reads the same, with other expected lines")
    func rewriting() throws {
        let text = "# A story.\nnodes 2\n\n# Step.\nstart\nprimary\n----\nold line\n"
        let scenario = try ScenarioParser.parse(text)
        #expect(scenario.rewritten(with: [["old line"]]) == text)
        let renewed = try ScenarioParser.parse(scenario.rewritten(with: [["new line"]]))
        #expect(renewed.blocks[0].expected == ["new line"])
        #expect(renewed.blocks[0].commands == scenario.blocks[0].commands)
    }

    @Test(
        "an error names its line",
        arguments: [
            ("nodes 0\n\nstart\n----\n", 1), ("nodes 65\n\nstart\n----\n", 1), ("# x\nseed minus\n\nstart\n----\n", 2),
            ("nodes 3\n\nstart\n", 3), ("start\n----\n\nprimary\n", 4), ("----\nx\n", 1), ("", 1),
        ])
    func malformed(text: String, line: Int) {
        let error = #expect(throws: ScenarioError.self) { try ScenarioParser.parse(text) }
        #expect(error?.line == line)
    }

    @Test(
        "a command that cannot be run names its line and what to write",
        arguments: [
            "dance", "crash n9", "run", "run soon", "put n1 key=a", "login user=ada", "login n1 user=", "cut n1 n2",
            "link n1 - n2 loss=much", "disk n1", "disk hung", "clock n1 drift-ppm=x", "await n1",
            "logout n1 session=S9",
            "pause n1", "flap n1 - n2 every=0s for=1s", "begin crash n1", "get n1",
        ])
    func impossible(command: String) throws {
        let scenario = try ScenarioParser.parse("nodes 3\n\nstart\n----\n\n\(command)\n----\n")
        let error = #expect(throws: ScenarioError.self) {
            var runner = ScenarioRunner(scenario)
            _ = try runner.run()
        }
        #expect(error?.line == 6)
        #expect(error?.reason.isEmpty == false)
    }

    @Test("a transcript whose lines are not printed fails and shows both")
    func mismatch() throws {
        var runner = ScenarioRunner(
            try ScenarioParser.parse("nodes 1\n\nstart\nawait primary\n----\nn2 is primary, seen by n1\n"))
        let outcome = try runner.run()
        #expect(!outcome.passed)
        #expect(outcome.failures.joined().contains("n2 is primary"))
        #expect(outcome.failures.joined().contains("n1 is primary, seen by n1"))
    }
}
