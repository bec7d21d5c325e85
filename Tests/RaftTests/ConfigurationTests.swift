import Primitives
import Raft
import Testing

/// Arithmetic of configurations as tables (after the quorum and change tables of etcd's raft).
@Suite struct ConfigurationTests {
    private static func ids(_ numbers: [UInt64]) -> [ReplicaID] { numbers.map { ReplicaID($0) } }

    /// One replica leads; everyone acknowledges as far as the table says. `(1 2 3)&&(4 5)` notation: voters, outgoing.
    struct Commit: Sendable, CustomTestStringConvertible {
        let voters: [UInt64]
        let outgoing: [UInt64]
        let granted: [UInt64]
        let decides: Bool
        init(_ voters: [UInt64], _ outgoing: [UInt64], by granted: [UInt64], _ decides: Bool) {
            self.voters = voters
            self.outgoing = outgoing
            self.granted = granted
            self.decides = decides
        }
        var testDescription: String { "\(voters)&&\(outgoing) by \(granted)" }
    }

    static let commits: [Commit] = [
        Commit([1, 2, 3], [], by: [1, 2], true), Commit([1, 2, 3], [], by: [3], false),
        Commit([1, 2, 3], [1, 2, 3], by: [2, 3], true),
        Commit([3, 4, 5], [1, 2, 3], by: [1, 2], false), Commit([3, 4, 5], [1, 2, 3], by: [4, 5], false),
        Commit([3, 4, 5], [1, 2, 3], by: [1, 3], false), Commit([3, 4, 5], [1, 2, 3], by: [1, 3, 5], true),
        Commit([3, 4, 5], [1, 2, 3], by: [1, 2, 4, 5], true), Commit([4], [1, 2, 3], by: [1, 2, 3], false),
        Commit([4], [1, 2, 3], by: [1, 2, 4], true), Commit([1], [1, 2], by: [1], false),
        Commit([1], [1, 2], by: [1, 2], true), Commit([4, 5, 6], [1, 2, 3], by: [1, 2, 3, 4], false),
        Commit([4, 5, 6], [1, 2, 3], by: [2, 3, 5, 6], true),
    ]

    @Test("Raft §6: a joint configuration needs a majority of each half", arguments: commits)
    func quorum(commit: Commit) {
        let configuration = Configuration(voters: Self.ids(commit.voters), outgoing: Self.ids(commit.outgoing))
        #expect(configuration.isQuorum(Self.ids(commit.granted)) == commit.decides)
    }

    @Test("every quorum before, during and after a change overlaps the next one's")
    func overlaps() {
        let subsets = (0..<64).map { bits in (0..<6).filter { bits >> $0 & 1 == 1 }.map { ReplicaID(UInt64($0 + 1)) } }
        for old in subsets where !old.isEmpty && old.count < 5 {
            for new in subsets where !new.isEmpty && new != old && new.count < 5 {
                let joint = Configuration(voters: new, outgoing: old)
                let quorums = subsets.filter { joint.isQuorum($0) }
                for half in [old, new] {
                    let half = Configuration(voters: half)
                    let rivals = subsets.filter { half.isQuorum($0) }
                    let overlaps = quorums.allSatisfy { a in rivals.allSatisfy { b in a.contains(where: b.contains) } }
                    #expect(overlaps, "\(old) to \(new)")
                }
            }
        }
    }

    @Test("configurations survive their encoding, bindings, timeouts and level included")
    func coding() throws {
        let configuration = Configuration(
            voters: Self.ids([3, 4, 5]), outgoing: Self.ids([1, 2, 3]), learners: Self.ids([6]),
            learnersNext: Self.ids([2]),
            bindings: [.init(replica: ReplicaID(4), node: NodeID(high: 1, low: 2))],
            timeouts: ElectionTimeouts(.milliseconds(60), former: .milliseconds(400)),
            featureLevel: FeatureLevel(3))
        let bytes = configuration.encode()
        #expect(try Configuration.decode(bytes) == configuration)
        for length in bytes.indices {
            #expect(throws: DecodeError.self) { try Configuration.decode(Array(bytes.prefix(length))) }
        }
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            // Must not trap; if it is accepted, it is another configuration in its one form.
            guard let other = try? Configuration.decode(damaged) else { continue }
            #expect(other != configuration && other.encode() == damaged)
        }
    }

    @Test("a malformed configuration is refused: no voters, a voting learner, a later learner that stays a voter")
    func malformed() {
        // Lists as the coding has them: voters, outgoing, learners, learnersNext, no bindings, no timeouts, level 0.
        func bytes(_ lists: [[UInt64]]) -> [UInt8] {
            var writer = ByteWriter()
            for list in lists { writer.writeArray(list) { $0.write(ReplicaID($1)) } }
            writer.writeArray([ReplicaID]()) { $0.write($1) }
            writer.write(false)
            writer.write(UInt16(0))
            return writer.bytes
        }
        let refused: [[[UInt64]]] = [
            [[], [], [], []], [[2, 1], [], [], []], [[1, 1], [], [], []], [[1], [], [1], []], [[1], [2], [2], []],
            [[1], [2], [], [3]], [[1], [1, 2], [], [1]], [[1], [], [], [1]],
        ]
        for lists in refused {
            #expect(throws: DecodeError.self, "\(lists)") { try Configuration.decode(bytes(lists)) }
        }
        #expect(throws: Never.self) { try Configuration.decode(bytes([[1], [2], [3], [2]])) }
    }
}
