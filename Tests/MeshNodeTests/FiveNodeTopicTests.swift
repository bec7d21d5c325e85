import Foundation
import Testing

extension RealProcesses {
    /// At edge machines people publish and follow as themselves: their local socket may not.
    @Suite("Five processes: topics", .timeLimit(.minutes(2)))
    struct FiveNodeTopicTests {
        private func topic(_ arguments: [String], on node: NodeClient, _ token: String) async throws -> CommandLine {
            let told = try await CommandLine.run(
                ["topic"] + arguments + ["--url", node.base], environment: ["MESHNODE_TOKEN": token])
            #expect(told.status == 0, "\(node.name): \(told.description)")
            return told
        }

        @Test("what is kept reaches a follower at every node, in one order and with the same numbers")
        func kept() async throws {
            try await FiveNodes.run { nodes in
                let token = try await nodes.login(on: "aurora").accessToken
                try await pollUntil("the mesh knows topics: every voter has said so", within: .seconds(15)) {
                    try await nodes["aurora"].signedIn(token).post("/mesh/v1/topics/log/ready", "now").status == 201
                }
                for node in nodes.all {
                    _ = try await topic(["publish", "log/builds", "from \(node.name)"], on: node, token)
                }
                var seen: [[String]] = []
                for node in nodes.all {
                    let told = try await topic(
                        ["follow", "log/builds", "--after", "0", "--count", "\(nodes.all.count)"], on: node, token)
                    seen.append(told.lines)
                }
                for (line, node) in zip(seen[0], nodes.all) { #expect(line.hasSuffix("from \(node.name)")) }
                #expect(seen[0].count == nodes.all.count && Set(seen).count == 1, "\(seen)")
            }
        }

        @Test("what is told once reaches a follower at every node")
        func told() async throws {
            try await FiveNodes.run { nodes in
                let token = try await nodes.login(on: "aurora").accessToken
                let (all, publisher) = (nodes.all, nodes["runpod-tx"])
                try await withThrowingTaskGroup(of: CommandLine?.self) { group in
                    for node in all {
                        group.addTask { try await topic(["follow", "deploys", "--count", "1"], on: node, token) }
                    }
                    // Nobody is told of what was published before they followed: it is said until all have heard it.
                    group.addTask {
                        while !Task.isCancelled {
                            _ = try await topic(["publish", "deploys", "blue is live"], on: publisher, token)
                        }
                        return nil
                    }
                    for _ in all {
                        let told = try #require(try await group.next() ?? nil)
                        #expect(told.output.hasSuffix("blue is live\n"), "\(told.output)")
                    }
                    group.cancelAll()
                }
            }
        }
    }
}
