import Primitives

/// A transcript under simulations/: blocks of commands, each followed by what they must print.
///
/// ```
/// # who wins when the primary is cut off?
/// nodes 5
/// seed 7
///
/// start
/// await primary
/// ----
/// n1 is primary, seen by n1 n2 n3 n4 n5
/// ```
package struct Scenario: Hashable, Sendable {
    package struct Block: Hashable, Sendable {
        /// Comment lines above the commands, kept by `--rewrite`.
        package let comments: [String]
        package let commands: [Command]
        package let expected: [String]
        /// Of the first command, counted from 1.
        package let line: Int
    }

    package struct Command: Hashable, Sendable {
        package let text: String
        package let line: Int

        /// The first word.
        package var verb: String { words.first ?? "" }
        /// The words after the verb that are not `key=value`.
        package var arguments: [String] { words.dropFirst().filter { !$0.contains("=") } }
        private var words: [String] { text.split(separator: " ").map(String.init) }

        /// The value of `key=value`, or nil.
        package func option(_ key: String) -> String? {
            words.dropFirst().first { $0.hasPrefix(key + "=") }.map { String($0.dropFirst(key.count + 1)) }
        }
    }

    package let nodes: Int
    package let seed: UInt64
    /// A snapshot after so many entries, and as short a log; nil: as a real node.
    package let snapshotAfterEntries: Int?
    /// Comments and settings before the first block, as written.
    package let header: [String]
    package let blocks: [Block]

    /// The transcript with other expected lines, block by block.
    package func rewritten(with outputs: [[String]]) -> String {
        precondition(outputs.count == blocks.count, "one output a block: \(outputs.count) for \(blocks.count)")
        var lines = header
        for (block, output) in zip(blocks, outputs) {
            lines.append("")
            lines += block.comments + block.commands.map(\.text) + ["----"] + output
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// Where and why a scenario file cannot be read.
package struct ScenarioError: Error, Hashable, Sendable, CustomStringConvertible {
    package let line: Int
    package let reason: String
    package var description: String { "line \(line): \(reason)" }
}

extension Substring {
    func trimmingSpaces() -> String { String(drop { $0 == " " }) }
}
