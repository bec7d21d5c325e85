import Primitives
import SecureChannel
import Testing

/// Two ends of a stream and the bytes between them.
struct Conversation {
    var initiator: StreamChannel
    var responder: StreamChannel
    let hello: [UInt8]
    var reply: [UInt8] = []
    var confirmation: [UInt8] = []

    init(
        seed: UInt64 = 1, from: NodeID = ada, to: NodeID = bob, responder: NodeID = bob,
        initiatorKeys: ChannelKeys? = nil, responderKeys: ChannelKeys? = nil
    ) {
        var entropy = SeededEntropy(seed: seed)
        initiator = StreamChannel(initiatorTo: to, keys: initiatorKeys ?? makeKeys(from), entropy: &entropy)
        self.responder = StreamChannel(responder: responderKeys ?? makeKeys(responder), entropy: &entropy)
        hello = initiator.start()
    }

    mutating func establish() throws {
        reply = try responder.receive(hello).reply
        confirmation = try initiator.receive(reply).reply
        _ = try responder.receive(confirmation)
    }

    static func established(seed: UInt64 = 1) throws -> Conversation {
        var conversation = Conversation(seed: seed)
        try conversation.establish()
        return conversation
    }
}

extension StreamChannel {
    mutating func rejection(of bytes: [UInt8]) -> StreamRejection? {
        do throws(StreamRejection) {
            _ = try receive(bytes)
            return nil
        } catch {
            return error
        }
    }
}

@Suite struct StreamChannelTests {
    @Test func `both ends learn who the other is, and only at the end`() throws {
        var talk = Conversation()
        #expect(talk.hello.starts(with: StreamChannel.magic))
        #expect(talk.responder.start().isEmpty)
        let reply = try talk.responder.receive(talk.hello).reply
        #expect(reply.count < talk.hello.count)
        #expect(talk.responder.peer == nil)
        #expect(throws: StreamSealError.notEstablished) { _ = try talk.responder.seal([1]) }
        let confirmation = try talk.initiator.receive(reply)
        #expect(confirmation.plaintext.isEmpty)
        #expect(talk.initiator.peer == AuthenticatedPeer(node: bob))
        let last = try talk.responder.receive(confirmation.reply)
        #expect(last == StreamOutput())
        #expect(talk.responder.peer == AuthenticatedPeer(node: ada))
    }

    @Test func `messages arrive whole, in order, both ways`() throws {
        var talk = try Conversation.established()
        var random = SeededRandom(seed: 2)
        for size in [0, 1, 16 << 10, (16 << 10) + 1, 100_000, StreamChannel.messageByteCountMax] {
            let message = random.bytes(size)
            #expect(try talk.responder.receive(talk.initiator.seal(message)).plaintext == [message])
            #expect(try talk.initiator.receive(talk.responder.seal(message)).plaintext == [message])
        }
        let several = try talk.initiator.seal([1]) + talk.initiator.seal([2, 2]) + talk.initiator.seal([])
        #expect(try talk.responder.receive(several).plaintext == [[1], [2, 2], []])
        #expect(throws: StreamSealError.tooLong) {
            _ = try talk.initiator.seal([UInt8](repeating: 0, count: StreamChannel.messageByteCountMax + 1))
        }
        #expect(try talk.responder.receive(talk.initiator.seal([3])).plaintext == [[3]])
    }

    @Test func `it does not matter where the stream is cut`() throws {
        var whole = try Conversation.established()
        let message = try whole.initiator.seal([9, 8, 7])
        let bytes = whole.hello + whole.confirmation + message
        for cut in 0...bytes.count {
            var talk = Conversation()
            let first = try talk.responder.receive(Array(bytes[..<cut]))
            let second = try talk.responder.receive(Array(bytes[cut...]))
            #expect(first.reply + second.reply == whole.reply, "cut at \(cut)")
            #expect(first.plaintext + second.plaintext == [[9, 8, 7]], "cut at \(cut)")
        }
        var talk = Conversation()
        var plaintext: [[UInt8]] = []
        for byte in bytes { plaintext += try talk.responder.receive([byte]).plaintext }
        #expect(plaintext == [[9, 8, 7]])
    }

    @Test func `any changed bit toward the responder ends the stream without a message`() throws {
        var whole = try Conversation.established()
        let bytes = whole.hello + whole.confirmation + (try whole.initiator.seal([9, 8, 7]))
        for bit in 0..<bytes.count * 8 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            var talk = Conversation()
            let rejection = talk.responder.rejection(of: changed)
            switch bit / 8 {
            case 0..<5: #expect(rejection == .notAStream)
            case 5..<StreamChannel.helloByteCount: #expect(rejection == .unauthentic)
            default:
                // A changed length may also make the record too long, or one that is still awaited.
                let length = whole.hello.count + whole.confirmation.count
                let first = StreamChannel.helloByteCount
                let isLength = [first, first + 1, length, length + 1].contains(bit / 8)
                #expect(rejection == .unauthentic || isLength, "bit \(bit)")
                let silent = isSilent(&talk.responder, rejection)
                #expect(silent, "bit \(bit)")
            }
        }
    }

    /// No message came out: the channel is dead, or waits for the rest of a record that will not open.
    private func isSilent(_ channel: inout StreamChannel, _ rejection: StreamRejection?) -> Bool {
        if let rejection { return channel.rejection(of: [0]) == rejection }
        return channel.rejection(of: [UInt8](repeating: 0, count: 70_000)) != nil
    }

    @Test func `any changed bit toward the initiator ends the stream`() throws {
        var whole = try Conversation.established()
        let record = try whole.responder.seal([5])
        let bytes = whole.reply + record
        for bit in 0..<bytes.count * 8 where ![48, 49].contains(bit / 8) {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            var talk = Conversation()
            #expect(talk.initiator.rejection(of: changed) == .unauthentic, "bit \(bit)")
            #expect(talk.initiator.peer == nil)
        }
    }

    @Test func `a replayed conversation gets an answer and nothing more`() throws {
        var old = try Conversation.established()
        let message = try old.initiator.seal([1, 2, 3])
        var entropy = SeededEntropy(seed: 99)
        var fresh = StreamChannel(responder: makeKeys(bob), entropy: &entropy)
        let reply = try fresh.receive(old.hello).reply
        #expect(reply.count == StreamChannel.replyByteCount)
        #expect(reply != old.reply)
        #expect(fresh.rejection(of: old.confirmation + message) == .unauthentic)
        #expect(fresh.peer == nil)
    }

    @Test func `a record that is repeated, skipped or swapped does not open`() throws {
        for order in [[0, 0], [1], [1, 0]] {
            var talk = try Conversation.established()
            let records = [try talk.initiator.seal([0]), try talk.initiator.seal([1])]
            #expect(talk.responder.rejection(of: order.flatMap { records[$0] }) == .unauthentic)
        }
    }

    @Test func `what an end sent does not open at the same end`() throws {
        // The records are chosen so that their counter is the one that the end expects next.
        var talk = try Conversation.established()
        #expect(talk.initiator.rejection(of: talk.confirmation) == .unauthentic)
        _ = try talk.responder.seal([1])
        let second = try talk.responder.seal([2])
        #expect(talk.responder.rejection(of: second) == .unauthentic)
        // A hello sent back to its maker does not open on either side of it.
        var mirrored = Conversation()
        #expect(mirrored.initiator.rejection(of: mirrored.hello) == .unauthentic)
        var entropy = SeededEntropy(seed: 4)
        var itself = StreamChannel(responder: makeKeys(ada), entropy: &entropy)
        #expect(itself.rejection(of: mirrored.hello) == .unauthentic)
        // A node that calls itself by its own keys: nobody else could make that hello.
        let twin = NodeID(high: 7, low: 7)
        let twins = ChannelKeys(
            cluster: makeCluster(), me: twin, exchange: makePair(ada),
            peers: [ChannelKeys.Peer(node: ada, exchangeKey: makePair(ada).publicKey)])
        var echo = Conversation(to: ada, responder: ada, initiatorKeys: twins)
        #expect(echo.responder.rejection(of: echo.hello) == .echoed)
    }

    @Test func `a hello for another node, another cluster or from outside the roster is refused`() {
        var misdirected = Conversation(responder: eve)
        #expect(misdirected.responder.rejection(of: misdirected.hello) == .unauthentic)
        var foreign = Conversation(initiatorKeys: makeKeys(ada, cluster: makeCluster(2)))
        #expect(foreign.responder.rejection(of: foreign.hello) == .unauthentic)
        var stranger = Conversation(responderKeys: makeKeys(bob, among: [bob, eve]))
        #expect(stranger.responder.rejection(of: stranger.hello) == .unknownPeer)
        let nowhere = Conversation(to: NodeID(high: 1, low: 1))
        #expect(nowhere.hello.isEmpty)
    }

    @Test func `with the keys of a node and not the cluster's secret nobody gets further than the hello`() throws {
        let outsider = ClusterKey(id: makeCluster().id, secret: makeCluster(2).secret)
        var talk = Conversation(initiatorKeys: makeKeys(ada, cluster: outsider))
        let reply = try talk.responder.receive(talk.hello).reply
        #expect(talk.initiator.rejection(of: reply) == .unauthentic)
        #expect(talk.responder.peer == nil)
    }

    @Test(arguments: ["GET / HTTP/1.1\r\n", "POST", "\u{16}\u{03}\u{01}", "\0MNX"])
    func `other protocols are told by their first bytes`(_ text: String) {
        var talk = Conversation()
        #expect(talk.responder.rejection(of: Array(text.utf8)) == .notAStream)
    }

    @Test func `a record beyond the limit is refused before it arrives`() throws {
        var talk = try Conversation.established()
        #expect(talk.responder.rejection(of: [0xFF, 0xFF]) == .tooLong)
        #expect(talk.responder.rejection(of: try talk.initiator.seal([1])) == .tooLong)
        #expect(throws: StreamSealError.notEstablished) { _ = try talk.responder.seal([1]) }
    }
}
