import Foundation
import Testing

extension RealProcesses {
    @Suite("Five processes: topics", .timeLimit(.minutes(2)))
    struct FiveNodeTopicTests {
        @Test("what is kept reaches a follower at every node, in one order and with the same numbers")
        func kept() async throws {
            try await FiveNodes.run { nodes in
                let names = nodes.all.map(\.name)
                for name in names {
                    let told = try await CommandLine.run([
                        "topic", "publish", "log/builds", "from \(name)", "--config", nodes.node(name).config,
                    ])
                    #expect(told.status == 0, "\(told.description)")
                }
                var seen: [[String]] = []
                for name in names {
                    let told = try await CommandLine.run([
                        "topic", "follow", "log/builds", "--after", "0", "--count", "\(names.count)", "--config",
                        nodes.node(name).config,
                    ])
                    #expect(told.status == 0, "\(name): \(told.description)")
                    seen.append(told.lines)
                }
                for (line, name) in zip(seen[0], names) { #expect(line.hasSuffix("from \(name)")) }
                #expect(seen[0].count == names.count && Set(seen).count == 1, "\(seen)")
            }
        }

        @Test("what is told once reaches a follower at every node")
        func told() async throws {
            try await FiveNodes.run { nodes in
                let followers = try nodes.all.map { client in
                    try ChildProcess.meshNode([
                        "topic", "follow", "deploys", "--count", "1", "--config", nodes.node(client.name).config,
                    ])
                }
                // Nobody is told of what was published before they followed: it is said until all have heard it.
                try await pollUntil("all five have heard it", within: .seconds(20)) {
                    let told = try await CommandLine.run([
                        "topic", "publish", "deploys", "blue is live", "--config", nodes.node("runpod-tx").config,
                    ])
                    #expect(told.status == 0, "\(told.description)")
                    return followers.allSatisfy(\.hasEnded)
                }
                for follower in followers { #expect(follower.output.hasSuffix("blue is live\n"), "\(follower.output)") }
            }
        }
    }
}
