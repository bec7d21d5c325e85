import Gossip
import Primitives
import Testing

@Suite("A member's word is its own")
struct SignatureTests {
    /// A gossip payload with one rumor, as its subject would write it but for the signature.
    private func word(
        about number: Int, _ incarnation: Incarnation, isLeft: Bool = false, at endpoint: Endpoint? = nil,
        signature: [UInt8] = Array(repeating: 7, count: Notary.signatureBytes)
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(UInt8(6))
        writer.write(UInt8(1))
        writer.write(TestMesh.id(number))
        writer.write(UInt8(isLeft ? 0b1011 : 0b1000))
        writer.writeVarint(incarnation.bootEpoch)
        writer.write(incarnation.nonce)
        writer.writeVarint(UInt64(incarnation.counter))
        writer.write("n\(number + 1)")
        writer.write(endpoint ?? TestMesh.endpoint(number))
        writer.writeRaw(signature)
        return writer.bytes
    }

    private func settledMesh(_ count: Int = 5) -> TestMesh {
        var mesh = TestMesh(count: count, seed: 11)
        mesh.run(.seconds(5))
        return mesh
    }

    @Test("an incarnation, an address and a goodbye that their owner did not sign change nothing")
    func forged() throws {
        var mesh = settledMesh()
        let before = try #require(mesh.core(0).member(TestMesh.id(3)))
        let lies = [
            word(about: 3, before.incarnation.advanced, at: Endpoint(ipv4: 6, 6, 6, 6, port: 666)),
            word(about: 3, Incarnation(bootEpoch: 1 << 40, counter: 0)),
            word(about: 3, before.incarnation, isLeft: true),
            word(about: 3, before.incarnation.advanced, isLeft: true),
            word(about: 9, Incarnation(bootEpoch: 1, counter: 0)),
        ]
        for lie in lies {
            mesh.input(0) { $0.handle(lie, from: TestMesh.id(1), at: TestMesh.endpoint(1), now: $1, into: &$2) }
        }
        #expect(mesh.core(0).member(TestMesh.id(3)) == before)
        #expect(mesh.core(0).member(TestMesh.id(9)) == nil)
        #expect(mesh.core(0).counters.unsignedClaims == lies.count)
    }

    @Test("what a member signed is believed from a third, and not with another address in it")
    func passedOn() throws {
        var mesh = TestMesh(count: 5, seed: 12)
        mesh.recordsPayloads = true
        mesh.run(.seconds(5))
        // Kind of news, id, flags, epoch, nonce, counter, name "n4", endpoint, signature.
        let header = 2 + NodeID.byteCount + 1 + 1 + 4 + 1 + 3
        var start = ByteWriter()
        start.write(UInt8(1))
        start.write(TestMesh.id(3))
        start.writeRaw([0b1000, 1])
        let found = mesh.payloads.lazy.compactMap { payload in
            payload.indices.first { payload[$0...].starts(with: start.bytes) }.map { payload[$0...] }
        }
        let genuine = [6] + Array(try #require(found.first).prefix(header - 1 + 18 + Notary.signatureBytes))
        for position in 0...18 {
            var payload = genuine
            if position < 18 { payload[header + position] ^= 1 }
            var stranger = TestMesh(count: 5, seed: 13, seedCount: 0)
            stranger.input(0) {
                $0.handle(payload, from: TestMesh.id(1), at: TestMesh.endpoint(1), now: $1, into: &$2)
            }
            #expect((stranger.core(0).member(TestMesh.id(3)) != nil) == (position == 18), "byte \(position)")
        }
    }

    @Test("lies about our own incarnation are not answered, and fence nobody")
    func liesAboutUs() {
        var mesh = settledMesh()
        let before = mesh.core(2).incarnation
        for step in 1...20 {
            let lie = word(about: 2, Incarnation(bootEpoch: before.bootEpoch + UInt64(step), nonce: .max, counter: 0))
            mesh.input(2) { $0.handle(lie, from: TestMesh.id(4), at: TestMesh.endpoint(4), now: $1, into: &$2) }
            mesh.run(.milliseconds(300))
        }
        #expect(mesh.core(2).incarnation == before)
        #expect(!mesh.core(2).isFenced)
        #expect(mesh.core(2).counters.unsignedClaims == 20)
        #expect(mesh.everyoneAlive)
    }

    @Test("a section under a life that nobody signed is not stored, and does not drive its owner's epoch")
    func forgedLife() {
        var mesh = settledMesh()
        let epoch = mesh.core(2).incarnation.bootEpoch
        let forged = section(of: 2, bootEpoch: 1 << 61)
        for observer in [0, 2] {
            mesh.input(observer) {
                $0.handle(forged, from: TestMesh.id(4), at: TestMesh.endpoint(4), now: $1, into: &$2)
            }
        }
        mesh.run(.seconds(3))
        #expect(mesh.core(0).section(Self.state, of: TestMesh.id(2)) == nil)
        #expect(mesh.core(2).incarnation.bootEpoch == epoch)
    }

    @Test("what others say of somebody's health counts under its owner's signature only")
    func forgedSection() {
        var mesh = settledMesh()
        let epoch = mesh.core(2).incarnation.bootEpoch
        for (observer, signer) in [(0, 4), (2, 4), (0, 2)] {
            let news = section(of: 2, bootEpoch: epoch, signedBy: signer)
            mesh.input(observer) { $0.handle(news, from: TestMesh.id(4), at: TestMesh.endpoint(4), now: $1, into: &$2) }
            let isGenuine = signer == 2
            #expect((mesh.core(0).section(Self.state, of: TestMesh.id(2)) != nil) == isGenuine)
            #expect(mesh.core(observer).counters.unsignedClaims == 1)
        }
        #expect(mesh.core(2).incarnation.bootEpoch == epoch)
    }

    @Test("what a member says in person is stored as its own, whoever it speaks of")
    func toldSection() {
        var mesh = settledMesh()
        let payload = told(mesh.core(4).incarnation.bootEpoch, version: 1)
        mesh.input(0) { $0.handle(payload, from: TestMesh.id(4), at: TestMesh.endpoint(4), now: $1, into: &$2) }
        #expect(mesh.core(0).section(Self.state, of: TestMesh.id(4))?.bytes == [1, 2, 3])
        mesh.run(.seconds(10))
        #expect(mesh.core(1).section(Self.state, of: TestMesh.id(4)) == nil, "it was passed on without proof")
    }

    @Test("what is known is reported once, told twice or signed later, and an older content never comes back")
    func reportedOnce() {
        var mesh = settledMesh()
        let epoch = mesh.core(2).incarnation.bootEpoch
        let new = [told(epoch, version: 2), told(epoch, version: 2), section(of: 2, bootEpoch: epoch, version: 2)]
        let old = [told(epoch, version: 1), section(of: 2, bootEpoch: epoch, version: 1)]
        for payload in new + old {
            mesh.input(0) { $0.handle(payload, from: TestMesh.id(2), at: TestMesh.endpoint(2), now: $1, into: &$2) }
        }
        let changed = GossipEffect.sectionChanged(Self.state, of: TestMesh.id(2))
        #expect(mesh.events.count { $0.observer == 0 && $0.effect == changed } == 1)
        #expect(mesh.core(0).section(Self.state, of: TestMesh.id(2))?.version == 2)
    }

    @Test("a section of another life than the one that is known is not taken, told or signed")
    func otherLife() {
        var mesh = settledMesh()
        let epoch = mesh.core(2).incarnation.bootEpoch
        for other in [epoch - 1, epoch + 1] {
            for payload in [told(other, version: 2), section(of: 2, bootEpoch: other, version: 2)] {
                mesh.input(0) { $0.handle(payload, from: TestMesh.id(2), at: TestMesh.endpoint(2), now: $1, into: &$2) }
            }
        }
        #expect(mesh.core(0).section(Self.state, of: TestMesh.id(2)) == nil)
    }

    private static let state = SectionID(value: 9)

    private func told(_ bootEpoch: UInt64, version: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        writer.writeRaw([6, 4, Self.state.value])
        writer.writeVarint(bootEpoch)
        writer.writeVarint(version)
        writer.write([1, 2, 3] as [UInt8])
        return writer.bytes
    }

    private func section(of owner: Int, bootEpoch: UInt64, version: UInt64 = 1, signedBy signer: Int? = nil) -> [UInt8]
    {
        var statement = ByteWriter()
        statement.write(TestMesh.id(owner))
        statement.write(Self.state.value)
        statement.writeVarint(bootEpoch)
        statement.writeVarint(version)
        statement.write([1, 2, 3] as [UInt8])
        let notary = TestMesh.signature(of: [2] + statement.bytes, by: TestMesh.id(signer ?? owner))
        return [6, 2] + statement.bytes + notary
    }
}
