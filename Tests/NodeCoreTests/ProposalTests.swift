import Authority
import NodeCore
import Primitives
import Raft
import SecureChannel
import Testing

/// What a proposal survives on its way, and whose word about it counts.
@Suite("Proposals on their way")
struct ProposalTests {
    private static func makeMesh() throws -> BrainPair {
        var mesh = try BrainPair(3)
        mesh.run(for: .seconds(4))
        try #require(mesh.isPrimary(0))
        return mesh
    }

    /// Speaks as one of the nodes, in a later process life of that node.
    private struct Impostor {
        private var voice: Voice

        init(of place: Int, to target: Int, _ mesh: inout BrainPair) {
            voice = Voice(of: place, mesh)
            voice.connect(to: target, &mesh)
        }

        mutating func say(_ payload: [UInt8], to place: Int, _ mesh: inout BrainPair) {
            voice.say(payload, .node, to: place, &mesh)
        }

        /// "I did not append attempts 1 to 60, and will not."
        mutating func refuseAll(to place: Int, _ mesh: inout BrainPair) {
            for attempt in UInt64(1)...60 {
                var writer = ByteWriter()
                writer.write(UInt8(2))
                writer.writeVarint(attempt)
                say(writer.bytes, to: place, &mesh)
            }
        }

        mutating func forward(_ envelope: CommandEnvelope, attempt: UInt64, to place: Int, _ mesh: inout BrainPair) {
            var writer = ByteWriter()
            writer.write(UInt8(1))
            writer.writeVarint(1)
            writer.writeVarint(attempt)
            writer.write(envelope.encode())
            say(writer.bytes, to: place, &mesh)
        }
    }

    @Test("a node that the mesh has forgotten draws a new id, and its command is done once, under that")
    func forgottenClient() throws {
        var mesh = try Self.makeMesh()
        _ = mesh.submit(try BrainPair.put("first"), to: 1)
        mesh.run(for: .milliseconds(200))
        try #require(mesh.value(on: 1) == "first")
        // n3 itself is not heard any more, and the primary tries to send it all that it misses.
        mesh.dropsStreams = true
        var others = Impostor(of: 2, to: 0, &mesh)
        for client in 0..<UInt64(AuthorityLimits().clients + 4) {
            let envelope = CommandEnvelope(
                client: 5_000_000 + client, bornAt: mesh.brains[0].authority.appliedIndex, sequence: 1,
                lowestUnacknowledged: 1, command: try BrainPair.put("other"))
            others.forward(envelope, attempt: client + 1, to: 0, &mesh)
            mesh.run(for: .milliseconds(3)) { $0.from != 2 && $0.to != 2 }
        }
        let stored = mesh.storedCount(on: 1)
        let request = mesh.submit(try BrainPair.put("second"), to: 1)
        mesh.run(for: .milliseconds(500)) { $0.from != 2 && $0.to != 2 }
        guard case .committed(.stored, _) = mesh.answers[request] else {
            Issue.record("\(String(describing: mesh.answers[request]))")
            return
        }
        #expect(mesh.applied[1].values.contains(.refused(.clientExpired)), "nobody was forgotten")
        #expect(mesh.value(on: 1) == "second")
        #expect(mesh.storedCount(on: 1) == stored + 1)
    }

    @Test(
        "only the word of the node that was asked makes a refusal: with another's, the outcome stays unknown",
        arguments: [(place: 0, answer: CoreRefusal.noQuorum), (place: 2, answer: .outcomeUnknown)])
    func wrongPeer(place: Int, answer: CoreRefusal) throws {
        var mesh = try Self.makeMesh()
        let request = mesh.submit(try BrainPair.put("a"), to: 1)
        var impostor = Impostor(of: place, to: 1, &mesh)
        for _ in 0..<20 {
            mesh.run(for: .milliseconds(50)) { _ in false }
            impostor.refuseAll(to: 1, &mesh)
        }
        mesh.run(for: .seconds(5)) { _ in false }
        #expect(mesh.answers[request] == .refused(answer))
    }

    @Test("what goes directly and around a broken link is one frame: its target opens the copy that comes first")
    func bothWays() throws {
        var mesh = try Self.makeMesh()
        mesh.run(for: .seconds(2)) { $0.from != 0 || $0.to != 1 }
        let known = mesh.applied[0].count
        let request = mesh.submit(try BrainPair.put("a"), to: 1)
        mesh.run(for: .milliseconds(300)) { $0.from != 0 || $0.to != 1 }
        guard case .committed(.stored, _) = mesh.answers[request] else {
            Issue.record("\(String(describing: mesh.answers[request]))")
            return
        }
        #expect(mesh.applied[0].count == known + 1, "it was appended once")
    }

    @Test("a hand-over costs those who write at another node no pause")
    func handOver() throws {
        var mesh = try Self.makeMesh()
        mesh.run(for: .seconds(2)) { $0.from != 0 && $0.to != 0 }
        let acting = mesh.isPrimary(1) ? 1 : 2
        try #require(mesh.isPrimary(acting))
        mesh.run(for: .seconds(1))
        var open: [(request: RequestID, at: Instant)] = []
        var longest = Duration.zero
        let limit = mesh.now + .seconds(20)
        var handedOverAt: Instant?
        while mesh.now < limit, handedOverAt.map({ mesh.now - $0 < .milliseconds(50) }) ?? true {
            open.append((mesh.submit(try BrainPair.put("a"), to: 3 - acting), mesh.now))
            mesh.run(for: .milliseconds(2))
            for (request, at) in open where mesh.answers[request] != nil { longest = max(longest, mesh.now - at) }
            open.removeAll { mesh.answers[$0.request] != nil }
            if handedOverAt == nil, mesh.isPrimary(0) { handedOverAt = mesh.now }
        }
        #expect(handedOverAt != nil && open.count <= 2)
        #expect(longest < .milliseconds(10), "\(longest)")
    }
}
