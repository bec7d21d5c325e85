import Gossip
import NodeCore
import Primitives
import Raft
import SecureChannel
import Testing

@Suite("Frames from outside")
struct FrameTests {
    /// A mesh at rest, and one frame each way that has not been delivered.
    private static func makeMesh() throws -> (BrainPair, BrainPair.Letter) {
        var mesh = try BrainPair(3)
        mesh.run(for: .seconds(3))
        for _ in 0..<100 where !mesh.letters.contains(where: { $0.to == 1 }) { mesh.run(for: .milliseconds(1)) }
        let letter = try #require(mesh.letters.first { $0.to == 1 })
        mesh.letters = []
        return (mesh, letter)
    }

    private static func rejected(_ mesh: BrainPair, _ place: Int, _ reason: FrameRejection) -> Int {
        mesh.brains[place].makeView(at: mesh.now).counters.rejectedFrames["\(reason)"] ?? 0
    }

    /// Gives the bytes to n2 and expects them to be counted under `reason`, and nothing else to happen.
    private static func expectDropped(_ bytes: [UInt8], as reason: FrameRejection, _ mesh: inout BrainPair) {
        let before = mesh.brains[1]
        let counted = rejected(mesh, 1, reason)
        mesh.letters = []
        mesh.give(.datagram(bytes, from: Endpoint(ipv4: 203, 0, 113, 9, port: 9)), to: 1)
        #expect(rejected(mesh, 1, reason) == counted + 1)
        #expect(mesh.letters.isEmpty, "silence on failure")
        let after = mesh.brains[1]
        #expect(after.consensus.term == before.consensus.term)
        #expect(after.consensus.commitIndex == before.consensus.commitIndex)
        #expect(after.membership.members == before.membership.members)
        #expect(after.viewVersion == before.viewVersion)
    }

    @Test("a frame with any byte changed is dropped, counted, and changes nothing")
    func forged() throws {
        let (mesh, letter) = try Self.makeMesh()
        for place in letter.bytes.indices {
            var mesh = mesh
            var bytes = letter.bytes
            bytes[place] ^= 0x10
            let before = mesh.brains[1].makeView(at: mesh.now).counters.rejectedFrames.values.reduce(0, +)
            let version = mesh.brains[1].viewVersion
            mesh.letters = []
            mesh.give(.datagram(bytes, from: Endpoint(ipv4: 203, 0, 113, 9, port: 9)), to: 1)
            let after = mesh.brains[1].makeView(at: mesh.now).counters.rejectedFrames.values.reduce(0, +)
            #expect(after == before + 1, "byte \(place)")
            #expect(mesh.brains[1].viewVersion == version)
            #expect(mesh.letters.isEmpty)
        }
    }

    @Test("a frame cut short anywhere is dropped, counted, and changes nothing")
    func truncated() throws {
        let (mesh, letter) = try Self.makeMesh()
        for length in letter.bytes.indices {
            var mesh = mesh
            Self.expectDropped(
                Array(letter.bytes.prefix(length)),
                as: length < SharedKeyFrameSealer.overhead ? .malformed : .unauthentic, &mesh)
        }
    }

    @Test("a frame counts once; its repetition changes nothing")
    func replayed() throws {
        var (mesh, letter) = try Self.makeMesh()
        mesh.deliver(letter)
        Self.expectDropped(letter.bytes, as: .replayed, &mesh)
    }

    @Test("a frame of another cluster, with another key or for another node is dropped")
    func foreign() throws {
        var (mesh, letter) = try Self.makeMesh()
        func frame(id: [UInt8], secret: UInt8, to recipient: NodeID) -> [UInt8] {
            let key = ClusterKey(id: id, secret: SecretBytes(copying: Array(repeating: secret, count: 32)))
            var sealer = SharedKeyFrameSealer(
                cluster: key, me: NodeID(high: 8, low: 8), bootEpoch: 1, entropy: CountingEntropy(next: 200))
            return sealer.seal([1, 2, 3], kind: .raft, to: recipient)
        }
        Self.expectDropped(frame(id: Array("another-cluster!".utf8), secret: 5, to: mesh.ids[1]), as: .foreignCluster, &mesh)
        Self.expectDropped(frame(id: BrainPair.cluster, secret: 6, to: mesh.ids[1]), as: .unauthentic, &mesh)
        Self.expectDropped(frame(id: BrainPair.cluster, secret: 5, to: mesh.ids[2]), as: .misdirected, &mesh)
        mesh.deliver(letter)
    }

    @Test("a leader's entry with a malformed configuration is refused, and the node goes on")
    func malformedConfiguration() throws {
        var (mesh, _) = try Self.makeMesh()
        let core = mesh.brains[1].consensus
        var sealer = SharedKeyFrameSealer(
            cluster: BrainPair.key, me: mesh.ids[0], bootEpoch: 2, entropy: CountingEntropy(next: 202))
        let entry = Entry(
            index: core.lastIndex.next, term: core.term, time: .zero, kind: .configuration, payload: [1, 2, 3])
        let append = RaftMessage.Append(
            term: core.term, previous: core.log.lastPosition, entries: [entry], commitIndex: .zero, time: .zero)
        var replica = ByteWriter()
        replica.write(ReplicaID(1))
        let frame = sealer.seal(RaftMessage.encode(.append(append)) + replica.bytes, kind: .raft, to: mesh.ids[1])
        mesh.give(.datagram(frame, from: Endpoint(ipv4: 10, 0, 0, 1, port: 7946)), to: 1)
        #expect(mesh.brains[1].makeView(at: mesh.now).counters.malformedPayloads == 1)
        #expect(mesh.brains[1].consensus.lastIndex == core.lastIndex && mesh.brains[1].haltReason == nil)
        mesh.run(for: .seconds(1))
        #expect(mesh.isPrimary(0))
    }

    @Test("an authentic frame of nonsense is counted as malformed", arguments: [FrameKind.raft, .node, .gossip])
    func nonsense(kind: FrameKind) throws {
        var (mesh, _) = try Self.makeMesh()
        var sealer = SharedKeyFrameSealer(
            cluster: BrainPair.key, me: mesh.ids[0], bootEpoch: 2, entropy: CountingEntropy(next: 201))
        let term = mesh.brains[1].consensus.term
        for length in 0..<40 {
            let frame = sealer.seal(Array(repeating: 0xFF, count: length), kind: kind, to: mesh.ids[1])
            mesh.give(.datagram(frame, from: Endpoint(ipv4: 10, 0, 0, 1, port: 7946)), to: 1)
        }
        let counters = mesh.brains[1].makeView(at: mesh.now).counters
        #expect(counters.malformedPayloads + mesh.brains[1].membership.counters.malformedPayloads == 40)
        #expect(mesh.brains[1].consensus.term == term)
    }
}
