import Primitives
import SecureChannel
import Testing

@Suite("Joining: a token's secret and the new machine's keys")
struct JoinChannelTests {
    private static let cluster = makeCluster().id
    private static let id = [UInt8](repeating: 3, count: 16)
    private static func secret(_ byte: UInt8 = 9) -> SecretBytes {
        SecretBytes(copying: Array(repeating: byte, count: 32))
    }

    private static func begin(
        secret: SecretBytes = secret(), cluster: [UInt8] = cluster, to core: NodeID = ada, seed: UInt64 = 1
    ) throws -> (channel: JoinChannel, hello: [UInt8]) {
        var entropy = SeededEntropy(seed: seed)
        return try #require(
            JoinChannel.begin(
                token: (id, secret), cluster: cluster, core: makePair(core).publicKey, exchange: makePair(eve),
                entropy: &entropy))
    }

    private static func responder(seed: UInt64 = 2) -> JoinChannel {
        var entropy = SeededEntropy(seed: seed)
        return JoinChannel(responder: makePair(ada), cluster: cluster, entropy: &entropy)
    }

    private static func lookup(_ named: [UInt8]) -> SecretBytes? { named == id ? secret() : nil }

    @Test("both sides end with each other's keys and the same conversation; what follows is sealed, however it is cut")
    func conversation() throws {
        var (joining, hello) = try Self.begin()
        var core = Self.responder()
        #expect(hello.count == JoinChannel.helloByteCount)
        var reply: [UInt8] = []
        for byte in hello { reply += try core.receive([byte], secret: Self.lookup).reply }
        #expect(reply.count == JoinChannel.replyByteCount && reply.count < hello.count)
        for byte in reply { _ = try joining.receive([byte]) }
        #expect(core.otherKey == makePair(eve).publicKey && core.tokenID == Self.id)
        let signed = try #require(joining.signedMessage([7]))
        #expect(core.signedMessage([7]) == signed)
        let request = try joining.seal([1, 2, 3])
        #expect(try core.receive(request, secret: Self.lookup).plaintext == [[1, 2, 3]])
        let answer = try core.seal(Array(repeating: 5, count: 70_000))
        #expect(try joining.receive(answer).plaintext == [Array(repeating: 5, count: 70_000)])
        // Another conversation of the same two is another one: a signature cannot be carried over.
        var (again, secondHello) = try Self.begin(seed: 5)
        var other = Self.responder(seed: 6)
        _ = try again.receive(try other.receive(secondHello, secret: Self.lookup).reply)
        #expect(again.signedMessage([7]) != signed)
    }

    @Test("who does not know the token's secret gets no further, and is not told whether there is such a token")
    func strangers() throws {
        let (_, hello) = try Self.begin(secret: Self.secret(8))
        var core = Self.responder()
        let reply = try core.receive(hello, secret: Self.lookup).reply
        // The reply opens only under the right secret; a record under the wrong one opens nowhere.
        var (liar, _) = try Self.begin(secret: Self.secret(8))
        #expect(throws: StreamRejection.unauthentic) { try liar.receive(reply) }
        #expect(throws: StreamRejection.self) {
            try core.receive([0, 40] + Array(repeating: 1, count: 40), secret: Self.lookup)
        }
        var deaf = Self.responder()
        #expect(throws: StreamRejection.unknownPeer) { try deaf.receive(hello) { _ in nil } }
    }

    @Test("a hello for another node, another mesh or another purpose is nothing")
    func elsewhere() throws {
        for hello in [
            try Self.begin(to: bob).hello, try Self.begin(cluster: Array(repeating: 1, count: 16)).hello,
        ] {
            var core = Self.responder()
            #expect(throws: StreamRejection.unauthentic) { try core.receive(hello, secret: Self.lookup) }
        }
        var entropy = SeededEntropy(seed: 3)
        var stream = StreamChannel(initiatorTo: bob, keys: makeKeys(ada), entropy: &entropy)
        var core = Self.responder()
        #expect(throws: StreamRejection.notAStream) { try core.receive(stream.start(), secret: Self.lookup) }
    }

    @Test("a byte changed anywhere ends it, and a dead channel stays dead")
    func mutations() throws {
        let (_, hello) = try Self.begin()
        for place in hello.indices {
            var damaged = hello
            damaged[place] ^= 0x10
            var core = Self.responder()
            #expect(throws: StreamRejection.self) {
                // What is cut from the front of the magic may only ask for more.
                let output = try core.receive(damaged, secret: Self.lookup)
                if output.reply.isEmpty { throw StreamRejection.notAStream }
            }
        }
        var core = Self.responder()
        #expect(throws: StreamRejection.self) { try core.receive([1]) }
        #expect(throws: StreamRejection.self) { try core.receive(hello, secret: Self.lookup) }
    }

    @Test("a ticket's text is read as it was written, and refused where a letter is wrong or missing")
    func tickets() throws {
        let ticket = JoinTicket(
            id: Self.id, secret: Self.secret(), cluster: Self.cluster, expiresAtMilliseconds: 1_800_000_000_000,
            cores: [
                .init(exchangeKey: makePair(ada).publicKey, endpoint: Endpoint(ipv4: 10, 0, 0, 1, port: 7946)),
                .init(exchangeKey: makePair(bob).publicKey, endpoint: Endpoint(ipv4: 10, 0, 0, 2, port: 7946)),
            ])
        let text = ticket.encode()
        let read = try #require(JoinTicket(text))
        #expect(read.id == ticket.id && read.cluster == ticket.cluster && read.cores == ticket.cores)
        #expect(read.secret.equals(ticket.secret) && read.expiresAtMilliseconds == 1_800_000_000_000)
        let letters = Array(text)
        for place in letters.indices {
            var wrong = letters
            wrong[place] = wrong[place] == "A" ? "B" : "A"
            #expect(JoinTicket(String(wrong)) == nil, "letter \(place)")
            #expect(JoinTicket(String(letters[..<place])) == nil)
        }
        #expect(!String(describing: ticket).contains("0909") && !"\(ticket)".contains("CQkJ"), "the secret was printed")
    }
}
