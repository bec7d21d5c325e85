import Primitives
import SecureChannel
import Testing

/// Patterns next to the one in use, so that a mistake in one of them cannot hide in the other.
enum NoisePatterns {
    static let all: [NoisePattern] = [
        NoisePattern("NN", messages: [[.e], [.e, .ee]]),
        NoisePattern("NK", responderIsKnown: true, messages: [[.e, .es], [.e, .ee]]),
        NoisePattern(
            "KK", initiatorIsKnown: true, responderIsKnown: true, messages: [[.e, .es, .ss], [.e, .ee, .se]]),
        NoisePattern("IK", responderIsKnown: true, messages: [[.e, .es, .s, .ss], [.e, .ee, .se]]),
        NoisePattern("XX", messages: [[.e], [.e, .ee, .s, .es], [.s, .se]]),
        NoisePattern("NNpsk0", messages: [[.psk, .e], [.e, .ee]]),
        NoisePattern("NNpsk2", messages: [[.e], [.e, .ee, .psk]]),
        NoisePattern("XKpsk3", responderIsKnown: true, messages: [[.e, .es], [.e, .ee], [.s, .se, .psk]]),
        NoisePattern("XXpsk3", messages: [[.e], [.e, .ee, .s, .es], [.s, .se, .psk]]),
        NoisePattern("IKpsk1", responderIsKnown: true, messages: [[.e, .es, .s, .ss, .psk], [.e, .ee, .se]]),
        .ikpsk2,
    ]
}

@Suite struct NoiseVectorTests {
    @Test("cacophony's vectors: every message and the handshake hash", arguments: NoiseVector.all)
    func vector(_ vector: NoiseVector) throws {
        let pattern = try #require(NoisePatterns.all.first { $0.protocolName == vector.protocolName })
        var (initiator, responder) = (vector.makeSide(.initiator, pattern), vector.makeSide(.responder, pattern))
        var isInitiatorsTurn = true
        var messages = vector.messages[...]
        while !initiator.isComplete {
            let next = messages.popFirst()
            let (payload, expected) = try #require(next)
            let message = try isInitiatorsTurn ? initiator.write(payload) : responder.write(payload)
            #expect(Hex.encode(message) == Hex.encode(expected))
            let read = try isInitiatorsTurn ? responder.read(message) : initiator.read(message)
            #expect(read == payload)
            isInitiatorsTurn.toggle()
        }
        #expect(responder.isComplete)
        #expect(initiator.handshakeHash == vector.handshakeHash)
        #expect(responder.handshakeHash == vector.handshakeHash)
        try checkTransport(messages, initiator, responder, isInitiatorsTurn: isInitiatorsTurn)
    }

    private func checkTransport(
        _ messages: ArraySlice<NoiseVector.Message>, _ initiator: NoiseHandshake, _ responder: NoiseHandshake,
        isInitiatorsTurn: Bool
    ) throws {
        let (theirs, ours) = (initiator.split(), responder.split())
        #expect(theirs.send.equals(ours.receive) && theirs.receive.equals(ours.send))
        var turn = isInitiatorsTurn
        var counters: [UInt64] = [0, 0]
        for (payload, expected) in messages {
            let side = turn ? 0 : 1
            let sealed = TransportCipher.seal(payload, key: turn ? theirs.send : ours.send, counter: counters[side])
            #expect(Hex.encode(sealed) == Hex.encode(expected))
            counters[side] += 1
            turn.toggle()
        }
    }

    @Test("Noise §14: a message with any bit changed, or cut short, does not open; nothing traps")
    func forgedMessages() throws {
        let vector = try #require(NoiseVector.all.first { $0.protocolName.contains("IKpsk2") })
        let hello = vector.messages[0].expected
        for bit in 0..<hello.count * 8 {
            var changed = hello
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            // The highest bit of an X25519 key has no meaning (RFC 7748 §5), but the hash covers it.
            var responder = vector.makeSide(.responder, .ikpsk2)
            #expect(throws: NoiseError.self) { _ = try responder.read(changed) }
        }
        for count in 0..<hello.count {
            var responder = vector.makeSide(.responder, .ikpsk2)
            #expect(throws: NoiseError.self) { _ = try responder.read(Array(hello.prefix(count))) }
        }
    }

    @Test("RFC 7748 §6.1: a key of small order is refused", arguments: [0, 1])
    func weakKey(_ first: UInt8) throws {
        let vector = try #require(NoiseVector.all.first { $0.protocolName.contains("IKpsk2") })
        var hello = vector.messages[0].expected
        hello.replaceSubrange(0..<32, with: [first] + [UInt8](repeating: 0, count: 31))
        var responder = vector.makeSide(.responder, .ikpsk2)
        #expect(throws: NoiseError.weakKey) { _ = try responder.read(hello) }
    }
}
