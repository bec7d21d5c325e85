import NodeCore
import Primitives
import Raft
import SecureChannel
import Testing

/// What travels around a broken link: n2 brings n1 something that it says is from n3.
@Suite struct RelayTests {
    /// A request that any node answers: append this. Who does not lead refuses.
    private static let request: [UInt8] = [1, 1, 5, 1, 0]

    private var mesh: BrainPair
    private var relay: Voice
    private var origin: Voice

    init() throws {
        mesh = try BrainPair(3)
        mesh.run(for: .milliseconds(50))
        relay = Voice(of: 1, mesh)
        origin = Voice(of: 2, mesh)
        relay.connect(to: 0, &mesh)
        origin.connect(to: 0, &mesh)
        mesh.letters = []
    }

    private mutating func sealed(_ payload: [UInt8], _ kind: FrameKind = .node) -> [UInt8] {
        origin.sealed(payload, kind, for: 0, mesh)
    }

    private func wrapped(_ inner: [UInt8], naming place: Int) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(mesh.ids[place])
        writer.write(false)
        writer.writeRaw(inner)
        return writer.bytes
    }

    /// How many answers n1 sends to n3 when n2 brings this.
    private mutating func answers(to inner: [UInt8], naming place: Int = 2, as kind: FrameKind = .relayed) -> Int {
        mesh.letters = []
        let frame = relay.sealed(wrapped(inner, naming: place), kind, for: 0, mesh)
        mesh.deliver(BrainPair.Letter(from: 1, to: 0, bytes: frame))
        return mesh.letters.count { $0.from == 0 && $0.to == 2 }
    }

    @Test("Relay: a frame counts under the seal of the origin that it names, and once")
    mutating func genuine() {
        let inner = sealed(Self.request)
        let first = answers(to: inner)
        let again = answers(to: inner)
        #expect(first == 1)
        #expect(again == 0, "the copy that took another way")
    }

    @Test("Relay: a relay cannot forge what it brings")
    mutating func forged() {
        let ownSeal = answers(to: relay.sealed(Self.request, .node, for: 0, mesh))
        let ownName = answers(to: sealed(Self.request), naming: 1)
        var altered = sealed(Self.request)
        altered[altered.count - 1] ^= 1
        let alteredCount = answers(to: altered)
        let empty = answers(to: [])
        let clear = answers(to: Self.request)
        #expect([ownSeal, ownName, alteredCount, empty, clear] == [0, 0, 0, 0, 0])
    }

    @Test("Relay: a node that wraps what is its own is not believed")
    mutating func itself() {
        let own = relay.sealed(Self.request, .node, for: 0, mesh)
        mesh.letters = []
        let frame = relay.sealed(wrapped(own, naming: 1), .relayed, for: 0, mesh)
        mesh.deliver(BrainPair.Letter(from: 1, to: 0, bytes: frame))
        #expect(mesh.letters.isEmpty)
    }

    @Test(
        "Relay: one hop: what was relayed is never passed on, and carries neither gossip nor another wrapping",
        arguments: [FrameKind.relay, .relayed, .gossip])
    mutating func oneHop(kind: FrameKind) {
        let innermost = sealed(Self.request)
        let count = answers(to: sealed(wrapped(innermost, naming: 2), kind))
        #expect(count == 0)
        #expect(mesh.letters.isEmpty)
    }

    @Test("Relay: a node passes on what it is asked to, and neither back nor to itself")
    mutating func passesOn() {
        let onward = answers(to: sealed(Self.request), naming: 2, as: .relay)
        #expect(onward == 1)
        for place in [0, 1] {
            _ = answers(to: sealed(Self.request), naming: place, as: .relay)
            #expect(mesh.letters.isEmpty)
        }
    }

    @Test("Relay: a handshake comes around a broken link, and its answer goes back the same way")
    mutating func handshake() {
        // Nobody delivers what goes directly between n1 and n3.
        let passes: (BrainPair.Letter) -> Bool = { Set([$0.from, $0.to]) != [0, 2] }
        mesh.run(for: .seconds(200), where: passes)
        let before = mesh.brains[0].consensus.term
        mesh.run(for: .seconds(20), where: passes)
        #expect(mesh.brains[0].consensus.term == before, "a stable leader, twenty seconds long")
        #expect(mesh.brains.allSatisfy { $0.haltReason == nil })
        #expect(Set(mesh.brains.map(\.consensus.term)).count == 1)
        let indices = mesh.brains.map(\.consensus.commitIndex.value)
        #expect((indices.max() ?? 0) - (indices.min() ?? 0) <= 1)
    }
}
