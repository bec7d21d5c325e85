import Raft
import Testing

/// How far one hop around a broken link goes, as graphs: whoever is within two links of a majority can lead it.
@Suite struct RelayReachTests {
    /// Every tree on `count` nodes, by its sequence (Prüfer 1918). A connected graph holds one of them at least.
    private static func trees(_ count: Int) -> [[(Int, Int)]] {
        var sequences: [[Int]] = [[]]
        for _ in 0..<count - 2 { sequences = sequences.flatMap { prefix in (0..<count).map { prefix + [$0] } } }
        return sequences.map { tree(of: $0, count) }
    }

    private static func tree(of sequence: [Int], _ count: Int) -> [(Int, Int)] {
        var degrees = (0..<count).map { node in 1 + sequence.count { $0 == node } }
        var edges: [(Int, Int)] = []
        for node in sequence {
            guard let leaf = degrees.firstIndex(of: 1) else { preconditionFailure("a tree has leaves") }
            edges.append((leaf, node))
            degrees[leaf] = 0
            degrees[node] -= 1
        }
        let rest = degrees.indices.filter { degrees[$0] == 1 }
        return edges + [(rest[0], rest[1])]
    }

    /// How many nodes `node` reaches by at most two links, itself included.
    private static func reach(of node: Int, _ edges: [(Int, Int)]) -> Int {
        let neighbours = { (node: Int) in edges.compactMap { $0.0 == node ? $0.1 : $0.1 == node ? $0.0 : nil } }
        let near = neighbours(node)
        return Set([node] + near + near.flatMap(neighbours)).count
    }

    @Test(
        "Relay: up to nine voters, some member of every connected majority can lead; with ten that ends",
        arguments: 3...10)
    func someLeader(voters: Int) {
        let quorum = Quorum.size(voters: voters)
        let leaderless = Self.trees(quorum).count { edges in
            (0..<quorum).allSatisfy { Self.reach(of: $0, edges) < quorum }
        }
        #expect((leaderless == 0) == (voters <= 9), "\(leaderless) trees of \(quorum) nodes")
    }

    @Test("Relay: with five voters, every member of every connected majority can", arguments: 3...7)
    func everyLeader(voters: Int) {
        let quorum = Quorum.size(voters: voters)
        let isForAll = Self.trees(quorum).allSatisfy { edges in
            (0..<quorum).allSatisfy { Self.reach(of: $0, edges) >= quorum }
        }
        #expect(isForAll == (voters <= 5))
    }
}
