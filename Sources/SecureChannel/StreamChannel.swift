import Primitives

/// A sealed conversation over one byte stream (TCP): a pure state machine, fed with what arrives and asked for what to
/// send. Raft's bulk traffic and requests between agents use it alike.
///
///     initiator                                                                responder
///        | -- magic 5 | e 32 | static 48 | payload 20 | code 16 ------------->  |   121 bytes
///        | <---------------------------------------------------- e 32 | tag 16  |   48 bytes: less than the request
///        | -- empty record ---------------------------------------------------> |   now the responder knows, too
///        | <== records, each way under its own key ===========================> |
///
///     record:  length of sealed part (2, big-endian) | sealed: last-of-message flag (1), content | tag (16)
///
/// The first two are the messages of Noise IKpsk2; the payload names the epoch of the cluster's key, and the code is that
/// of `HandshakeFrame`, checked before anything is computed. Records are ChaCha20-Poly1305 (RFC 8439) under a counter,
/// with the length as associated data. A replayed hello gets an answer but no further: its sender cannot know the keys
/// that the responder's fresh `e` makes.
///
/// After any rejection the channel is dead. Close the connection without a word. The end of a stream is not
/// authenticated: framing above must know when something is complete.
package struct StreamChannel: Sendable {
    /// What a stream begins with. No HTTP method and no TLS record starts with a zero byte.
    package static let magic: [UInt8] = [0x00, UInt8(ascii: "M"), UInt8(ascii: "N"), UInt8(ascii: "S"), 0x02]
    /// The longest message, either way. What arrives is collected up to this size for one message.
    package static let messageByteCountMax = 4 << 20

    private static let epochByteCount = 4
    private static let codeOffset = magic.count + 100
    package static let helloByteCount = codeOffset + HandshakeFrame.codeByteCount
    package static let replyByteCount = 48

    private enum Phase: Sendable {
        case fresh
        case awaitingHello
        case awaitingReply(NoiseHandshake)
        /// The responder has keys, but the initiator may be a replay until its first record opens.
        case unconfirmed(StreamRecords, peer: NodeID)
        case established(StreamRecords, peer: NodeID)
        case dead(StreamRejection)
    }

    private let keys: ChannelKeys
    private let expected: NodeID?
    private let ephemeral: ExchangeKeyPair
    private var phase: Phase
    /// Received and not yet consumed: less than one hello or one record once `receive` returns.
    private var inbound: [UInt8] = []

    /// The side that connected, and knows whom it wants.
    package init(initiatorTo peer: NodeID, keys: ChannelKeys, entropy: inout some Entropy) {
        self.init(keys: keys, expected: peer, phase: .fresh, entropy: &entropy)
    }

    /// The side that accepted a connection.
    package init(responder keys: ChannelKeys, entropy: inout some Entropy) {
        self.init(keys: keys, expected: nil, phase: .awaitingHello, entropy: &entropy)
    }

    private init(keys: ChannelKeys, expected: NodeID?, phase: Phase, entropy: inout some Entropy) {
        self.keys = keys
        self.expected = expected
        self.phase = phase
        ephemeral = ExchangeKeyPair.generate(from: &entropy)
    }

    /// Who is at the other end; nil until that has been authenticated.
    package var peer: AuthenticatedPeer? {
        guard case .established(_, let peer) = phase else { return nil }
        return AuthenticatedPeer(node: peer)
    }

    package var isEstablished: Bool { peer != nil }

    /// The first bytes to send. Empty for a responder, which waits, and for who wants somebody outside the roster: that
    /// channel is dead. Traps if an initiator starts twice.
    package mutating func start() -> [UInt8] {
        guard let expected else { return [] }
        guard case .fresh = phase else { preconditionFailure("a stream channel starts once") }
        phase = .dead(.unknownPeer)
        guard let place = keys.place(of: expected) else { return [] }
        let peerKey = keys.peers[place].exchangeKey
        var handshake = NoiseHandshake(
            .ikpsk2, as: .initiator, prologue: keys.prologue(.stream), local: keys.exchange, remoteStatic: peerKey,
            ephemeral: ephemeral)
        // A peer whose key is of small order cannot be spoken with.
        guard let message = try? handshake.write(Self.bytes(of: keys.keyring.active)) else { return [] }
        handshake.preSharedKeys = [keys.keyring.activeKey]
        phase = .awaitingReply(handshake)
        let hello = Self.magic + message
        return hello + HandshakeFrame.code(hello, key: keys.messageCodeKey(of: peerKey))
    }

    /// Takes the next bytes of the stream, however they were cut. On a rejection nothing of this call is delivered.
    package mutating func receive(_ bytes: [UInt8]) throws(StreamRejection) -> StreamOutput {
        var output = StreamOutput()
        do throws(StreamRejection) {
            inbound += bytes
            var consumed = 0
            while let step = try advance(from: consumed, into: &output) { consumed += step }
            inbound.removeFirst(consumed)
        } catch {
            phase = .dead(error)
            inbound = []
            throw error
        }
        return output
    }

    /// The bytes that carry one message. Nothing changes when it throws.
    package mutating func seal(_ message: [UInt8]) throws(StreamSealError) -> [UInt8] {
        guard message.count <= Self.messageByteCountMax else { throw .tooLong }
        guard case .established(var records, let peer) = phase else { throw .notEstablished }
        // Taken out of the phase while it changes, so that nothing is copied.
        phase = .fresh
        let sealed = records.seal(message)
        phase = .established(records, peer: peer)
        return sealed
    }

    /// Handles one hello or record at `offset`; returns its size, or nil if it has not arrived completely.
    private mutating func advance(from offset: Int, into output: inout StreamOutput) throws(StreamRejection) -> Int? {
        switch phase {
        case .fresh: preconditionFailure("bytes arrived before start()")
        case .dead(let reason): throw reason
        case .awaitingHello: return try readHello(at: offset, into: &output)
        case .awaitingReply(let handshake): return try readReply(to: handshake, at: offset, into: &output)
        case .unconfirmed(var records, let peer):
            guard let step = try records.open(inbound, at: offset, into: &output.plaintext) else { return nil }
            // The empty record that confirms is no message.
            guard output.plaintext.popLast() == [] else { throw .unauthentic }
            phase = .established(records, peer: peer)
            return step
        case .established(var records, let peer):
            phase = .fresh
            let step = try records.open(inbound, at: offset, into: &output.plaintext)
            phase = .established(records, peer: peer)
            return step
        }
    }

    private mutating func readHello(
        at offset: Int, into output: inout StreamOutput
    ) throws(StreamRejection) -> Int? {
        let hello = Array(inbound[offset...].prefix(Self.helloByteCount))
        guard zip(hello, Self.magic).allSatisfy(==) else { throw .notAStream }
        guard hello.count == Self.helloByteCount else { return nil }
        let codeKey = keys.messageCodeKey(of: keys.exchange.publicKey)
        guard HandshakeFrame.hasCode(hello, at: Self.codeOffset, key: codeKey) else { throw .unauthentic }
        var handshake = NoiseHandshake(
            .ikpsk2, as: .responder, prologue: keys.prologue(.stream), local: keys.exchange, remoteStatic: nil,
            ephemeral: ephemeral)
        guard let payload = try? handshake.read(Array(hello[Self.magic.count..<Self.codeOffset])),
            let key = handshake.remoteStatic
        else { throw .unauthentic }
        guard key != keys.exchange.publicKey else { throw .echoed }
        guard let place = keys.place(ofKey: key), !keys.revoked.contains(place) else { throw .unknownPeer }
        guard let preSharedKey = secret(named: payload) else { throw .wrongEpoch }
        handshake.preSharedKeys = [preSharedKey]
        guard let reply = try? handshake.write([]) else { throw .unauthentic }
        output.reply += reply
        phase = .unconfirmed(Self.records(handshake), peer: keys.peers[place].node)
        return Self.helloByteCount
    }

    private mutating func readReply(
        to handshake: NoiseHandshake, at offset: Int, into output: inout StreamOutput
    ) throws(StreamRejection) -> Int? {
        guard let expected else { preconditionFailure("a responder awaits no reply") }
        guard inbound.count - offset >= Self.replyByteCount else { return nil }
        var complete = handshake
        guard (try? complete.read(Array(inbound[offset..<offset + Self.replyByteCount]))) == [] else {
            throw .unauthentic
        }
        var records = Self.records(complete)
        output.reply += records.seal([])
        phase = .established(records, peer: expected)
        return Self.replyByteCount
    }

    /// A past secret is handed over by datagram alone.
    private func secret(named epoch: [UInt8]) -> SecretBytes? {
        guard epoch.count == Self.epochByteCount else { return nil }
        let number = epoch.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return number >= keys.keyring.oldest ? keys.keyring.preSharedKey(of: number) : nil
    }

    private static func records(_ handshake: NoiseHandshake) -> StreamRecords {
        let keys = handshake.split()
        return StreamRecords(sendKey: keys.send, receiveKey: keys.receive)
    }

    private static func bytes(of epoch: UInt32) -> [UInt8] {
        (0..<epochByteCount).map { UInt8(truncatingIfNeeded: epoch >> (8 * UInt32($0))) }
    }
}

/// What arrived and what to send back at once.
package struct StreamOutput: Hashable, Sendable {
    /// Complete messages, in order.
    package var plaintext: [[UInt8]] = []
    /// Handshake bytes for the other side; send them even if `plaintext` is empty.
    package var reply: [UInt8] = []

    package init() {}
}

/// Why a stream is given up. Close the connection and say nothing; count it.
package enum StreamRejection: Error, Hashable, Sendable, CaseIterable {
    /// The first bytes are not ours.
    case notAStream
    /// An authentic hello of somebody who is not in the roster, or a stream to one.
    case unknownPeer
    /// An authentic hello under a cluster key that is not in use here.
    case wrongEpoch
    /// A hello that claims to come from this very node.
    case echoed
    /// A code, message or record that does not open: forged, corrupted, replayed, meant for another node or cluster, or
    /// under another key.
    case unauthentic
    /// A record or message beyond the limits.
    case tooLong
}

/// Why a message was not sealed. The channel is as it was.
package enum StreamSealError: Error, Hashable, Sendable {
    /// The handshake is not complete (wait for it), or the channel was rejected (close it).
    case notEstablished
    /// The message exceeds `StreamChannel.messageByteCountMax`: split it.
    case tooLong
}
