import Csodium
import Primitives

/// A sealed conversation over one byte stream (TCP): a pure state machine, fed with what arrives and asked for what to
/// send. Raft's bulk traffic and requests between agents use it alike.
///
///     initiator                                                                responder
///        | -- magic 5 | cluster tag 8 | initiator 16 | random 32 | code 32 --->  |   93 bytes
///        | <------------------------------------------- random 32 | code 32 ---- |   64 bytes: less than the request
///        | -- empty record ---------------------------------------------------->  |   now the responder knows, too
///        | <== records, each way under its own key ============================>  |
///
///     record:  length of sealed part (2, big-endian) | sealed: last-of-message flag (1), content | tag (16)
///
/// Codes are BLAKE2b under the cluster's stream key over both ids, the cluster id and the randoms seen so far; so are
/// the two record keys. Records are ChaCha20-Poly1305 (RFC 8439) under a counter nonce, with the length as associated
/// data. A replayed hello gets an answer but no further: its sender cannot know the keys that the fresh random makes.
///
/// After any rejection the channel is dead. Close the connection without a word. The end of a stream is not
/// authenticated: framing above must know when something is complete.
package struct StreamChannel: Sendable {
    /// What a stream begins with. No HTTP method and no TLS record starts with a zero byte.
    package static let magic: [UInt8] = [0x00, UInt8(ascii: "M"), UInt8(ascii: "N"), UInt8(ascii: "S"), 0x01]
    /// The longest message, either way. What arrives is collected up to this size for one message.
    package static let messageByteCountMax = 4 << 20

    private enum Phase: Sendable {
        case fresh
        case awaitingHello
        case awaitingReply(StreamHandshake)
        /// The responder has keys, but the initiator may be a replay until its first record opens.
        case unconfirmed(StreamRecords, peer: NodeID)
        case established(StreamRecords, peer: NodeID)
        case dead(StreamRejection)
    }

    private let key: SecretBytes
    private let cluster: ClusterKey
    private let me: NodeID
    private let expected: NodeID?
    private let random: [UInt8]
    private var phase: Phase
    /// Received and not yet consumed: less than one hello or one record once `receive` returns.
    private var inbound: [UInt8] = []

    /// The side that connected, and knows whom it wants.
    package init(initiatorTo peer: NodeID, cluster: ClusterKey, me: NodeID, entropy: inout some Entropy) {
        self.init(cluster: cluster, me: me, expected: peer, phase: .fresh, random: entropy.bytes(32))
    }

    /// The side that accepted a connection.
    package init(responder cluster: ClusterKey, me: NodeID, entropy: inout some Entropy) {
        self.init(cluster: cluster, me: me, expected: nil, phase: .awaitingHello, random: entropy.bytes(32))
    }

    private init(cluster: ClusterKey, me: NodeID, expected: NodeID?, phase: Phase, random: [UInt8]) {
        key = cluster.derive("stream 1")
        self.cluster = cluster
        self.me = me
        self.expected = expected
        self.phase = phase
        self.random = random
    }

    /// Who is at the other end; nil until that has been authenticated.
    package var peer: AuthenticatedPeer? {
        guard case .established(_, let peer) = phase else { return nil }
        return AuthenticatedPeer(node: peer, assurance: .unproven)
    }

    package var isEstablished: Bool { peer != nil }

    /// The first bytes to send. Empty for a responder, which waits. Traps if an initiator starts twice.
    package mutating func start() -> [UInt8] {
        guard let expected else { return [] }
        guard case .fresh = phase else { preconditionFailure("a stream channel starts once") }
        let handshake = StreamHandshake(
            key: key, clusterID: cluster.id, initiator: me, responder: expected, initiatorRandom: random)
        phase = .awaitingReply(handshake)
        return Self.magic + Self.bytes(of: cluster.tag) + me.bytes + random + handshake.helloCode()
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
        let size = Self.magic.count + 8 + NodeID.byteCount + 64
        let hello = inbound[offset...].prefix(size)
        guard zip(hello, Self.magic).allSatisfy(==) else { throw .notAStream }
        guard hello.count == size else { return nil }
        var reader = ByteReader(hello.dropFirst(Self.magic.count))
        guard let tag = try? reader.readRaw(8), let id = try? reader.readRaw(16), let initiator = NodeID(bytes: id),
            let theirs = try? reader.readRaw(32)
        else { throw .notAStream }
        guard tag == Self.bytes(of: cluster.tag) else { throw .foreignCluster }
        guard initiator != me else { throw .echoed }
        var handshake = StreamHandshake(
            key: key, clusterID: cluster.id, initiator: initiator, responder: me, initiatorRandom: theirs)
        guard constantTimeEquals(reader.readRest(), handshake.helloCode()) else { throw .unauthentic }
        handshake.responderRandom = random
        output.reply += random + handshake.replyCode()
        phase = .unconfirmed(handshake.makeRecords(isInitiator: false), peer: initiator)
        return size
    }

    private mutating func readReply(
        to handshake: StreamHandshake, at offset: Int, into output: inout StreamOutput
    ) throws(StreamRejection) -> Int? {
        guard inbound.count - offset >= 64 else { return nil }
        var complete = handshake
        complete.responderRandom = Array(inbound[offset..<offset + 32])
        guard constantTimeEquals(Array(inbound[offset + 32..<offset + 64]), complete.replyCode()) else {
            throw .unauthentic
        }
        var records = complete.makeRecords(isInitiator: true)
        output.reply += records.seal([])
        phase = .established(records, peer: handshake.responder)
        return 64
    }

    private static func bytes(of word: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) }
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
    /// A hello for another cluster.
    case foreignCluster
    /// A hello that claims to come from this very node.
    case echoed
    /// A code or a record that does not open: forged, corrupted, replayed, meant for another node, or another key.
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
