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
        // The sessions were made in the first milliseconds: what flies now are sealed frames.
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
                as: length < Session.overhead ? .malformed : .unauthentic, &mesh)
        }
    }

    @Test("a frame counts once; its repetition changes nothing")
    func replayed() throws {
        var (mesh, letter) = try Self.makeMesh()
        mesh.deliver(letter)
        Self.expectDropped(letter.bytes, as: .replayed, &mesh)
    }

    @Test("a node speaks for its own replica alone: in another's name it moves neither term nor log")
    func foreignReplica() throws {
        var (mesh, _) = try Self.makeMesh()
        var voice = Voice(of: 2, mesh)
        voice.connect(to: 1, &mesh)
        let term = mesh.brains[1].consensus.term
        func heartbeat(from replica: UInt64) -> [UInt8] {
            var writer = ByteWriter()
            let heartbeat = RaftMessage.Heartbeat(
                term: Term(term.value + 7), round: 1, commitIndex: .zero, time: .zero)
            writer.writeRaw(RaftMessage.encode(.heartbeat(heartbeat)))
            writer.write(ReplicaID(replica))
            return writer.bytes
        }
        for replica in UInt64(1)...2 { voice.say(heartbeat(from: replica), .raft, to: 1, &mesh) }
        #expect(mesh.brains[1].consensus.term == term)
        voice.say(heartbeat(from: 3), .raft, to: 1, &mesh)
        #expect(mesh.brains[1].consensus.term == Term(term.value + 7))
    }

    @Test("a handshake from another cluster, for another node or from outside the roster is dropped")
    func foreign() throws {
        var (mesh, letter) = try Self.makeMesh()
        let stranger = NodeID(high: 8, low: 8)
        func hello(_ me: NodeID, id: [UInt8] = BrainPair.cluster, to recipient: NodeID) -> [UInt8] {
            let key = ClusterKey(id: id, secret: SecretBytes(copying: Array(repeating: 5, count: 32)))
            var sessions = PeerSessions(
                keys: BrainPair.keys(of: me, among: mesh.ids, cluster: key), bootEpoch: 9,
                entropy: CountingEntropy(next: 200))
            _ = sessions.seal([1], kind: .raft, to: recipient, now: mesh.now)
            return sessions.takeOutbox()[0].bytes
        }
        let foreign = hello(mesh.ids[0], id: Array("another-cluster!".utf8), to: mesh.ids[1])
        Self.expectDropped(foreign, as: .unauthentic, &mesh)
        Self.expectDropped(hello(mesh.ids[0], to: mesh.ids[2]), as: .unauthentic, &mesh)
        Self.expectDropped(hello(stranger, to: mesh.ids[1]), as: .unknownPeer, &mesh)
        mesh.deliver(letter)
    }

    @Test("a leader's entry with a malformed configuration is refused, and the node goes on")
    func malformedConfiguration() throws {
        var (mesh, _) = try Self.makeMesh()
        mesh.dropsStreams = true  // gossip may have more to tell than fits a datagram
        var voice = Voice(of: 0, mesh)
        voice.connect(to: 1, &mesh)
        let core = mesh.brains[1].consensus
        let entry = Entry(
            index: core.lastIndex.next, term: core.term, time: .zero, kind: .configuration, payload: [1, 2, 3])
        let append = RaftMessage.Append(
            term: core.term, previous: core.log.lastPosition, entries: [entry], commitIndex: .zero, time: .zero)
        var replica = ByteWriter()
        replica.write(ReplicaID(1))
        voice.say(RaftMessage.encode(.append(append)) + replica.bytes, .raft, to: 1, &mesh)
        #expect(mesh.brains[1].makeView(at: mesh.now).counters.malformedPayloads == 1)
        #expect(mesh.brains[1].consensus.lastIndex == core.lastIndex && mesh.brains[1].haltReason == nil)
        mesh.run(for: .seconds(1))
        #expect(mesh.isPrimary(0))
    }

    @Test("an authentic frame of nonsense is counted as malformed", arguments: FrameKind.allCases)
    func nonsense(kind: FrameKind) throws {
        var (mesh, _) = try Self.makeMesh()
        var voice = Voice(of: 0, mesh)
        voice.connect(to: 1, &mesh)
        let before = mesh.brains[1].membership.counters.malformedPayloads
        let term = mesh.brains[1].consensus.term
        for length in 0..<40 {
            voice.say(Array(repeating: 0xFF, count: length), kind, to: 1, &mesh)
        }
        let counters = mesh.brains[1].makeView(at: mesh.now).counters
        #expect(counters.malformedPayloads + mesh.brains[1].membership.counters.malformedPayloads - before == 40)
        #expect(mesh.brains[1].consensus.term == term)
    }
}
