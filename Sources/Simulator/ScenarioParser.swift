import Primitives

/// Reads the transcript form that `Scenario` describes. Blocks are separated by blank lines; `#` starts a comment.
package enum ScenarioParser {
    package static func parse(_ text: String) throws(ScenarioError) -> Scenario {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { trim(String($0)) }
        var paragraphs: [(line: Int, lines: [String])] = []
        var current: (line: Int, lines: [String]) = (1, [])
        for (offset, line) in lines.enumerated() {
            if line.isEmpty {
                if !current.lines.isEmpty { paragraphs.append(current) }
                current = (offset + 2, [])
            } else {
                current.lines.append(line)
            }
        }
        if !current.lines.isEmpty { paragraphs.append(current) }

        var header: [String] = []
        var settings = Settings()
        var blocks: [Scenario.Block] = []
        for paragraph in paragraphs {
            if blocks.isEmpty, !paragraph.lines.contains("----") {
                if !header.isEmpty { header.append("") }
                header += paragraph.lines
                try settings.read(paragraph)
            } else {
                blocks.append(try block(paragraph))
            }
        }
        guard !blocks.isEmpty else {
            throw ScenarioError(line: 1, reason: "no block of commands followed by ---- was found")
        }
        return Scenario(
            nodes: settings.nodes, seed: settings.seed, snapshotAfterEntries: settings.snapshotAfterEntries,
            header: header,
            blocks: blocks)
    }

    private struct Settings {
        var nodes = 5
        var seed: UInt64 = 1
        var snapshotAfterEntries: Int?

        mutating func read(_ paragraph: (line: Int, lines: [String])) throws(ScenarioError) {
            for (offset, line) in paragraph.lines.enumerated() where !line.hasPrefix("#") {
                let words = line.split(separator: " ")
                switch (words.first, words.count, words.count == 2 ? UInt64(words[1]) : nil) {
                case ("nodes", 2, let count?) where (1...64).contains(count): nodes = Int(count)
                case ("seed", 2, let value?): seed = value
                case ("snapshot-after", 2, let count?) where (4...100_000).contains(count):
                    snapshotAfterEntries = Int(count)
                default:
                    throw ScenarioError(
                        line: paragraph.line + offset,
                        reason:
                            "'\(line)' is no setting; expected 'nodes 1...64', 'seed NUMBER' or 'snapshot-after ENTRIES', or a '----' after commands"
                    )
                }
            }
        }
    }

    private static func block(_ paragraph: (line: Int, lines: [String])) throws(ScenarioError) -> Scenario.Block {
        guard let divider = paragraph.lines.firstIndex(of: "----") else {
            throw ScenarioError(line: paragraph.line, reason: "this block has no '----' after its commands")
        }
        var comments: [String] = []
        var commands: [Scenario.Command] = []
        for (offset, line) in paragraph.lines[..<divider].enumerated() {
            if line.hasPrefix("#") {
                comments.append(line)
            } else {
                commands.append(Scenario.Command(text: line, line: paragraph.line + offset))
            }
        }
        guard let first = commands.first else {
            throw ScenarioError(line: paragraph.line, reason: "this block has no command before its '----'")
        }
        return Scenario.Block(
            comments: comments, commands: commands, expected: Array(paragraph.lines[(divider + 1)...]), line: first.line
        )
    }

    private static func trim(_ line: String) -> String {
        var text = Substring(line)
        while let last = text.last, last == " " || last == "\t" || last == "\r" { text.removeLast() }
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        return String(text)
    }
}
