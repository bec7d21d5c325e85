import Primitives

/// How a machine that belongs to nobody yet speaks with a core node: the handshake of streams (`StreamChannel`), but the
/// secret is that of a join token, which the first message names, and the prologue says what it is for.
///
///     joining                                                                      core
///        | -- magic 5 | e 32 | static 48 | token's id 16 + tag 16 | code 16 ------->  |   133 bytes
///        | <------------------------------------------------------ e 32 | tag 16     |   48 bytes
///        | -- record: request, signed over the handshake's hash ------------------->  |
///        | <------------------------------------------------------- record: answer   |
///
/// The handshake proves the joining machine's X25519 key and the token's secret, the signature its Ed25519 key, and neither
/// can be used in another conversation. Who does not know the token's secret learns nothing, not even whether a token exists.
package struct JoinChannel: Sendable {
    package static let magic: [UInt8] = [0x00, UInt8(ascii: "M"), UInt8(ascii: "N"), UInt8(ascii: "J"), 0x01]
    package static let tokenIDByteCount = 16
    private static let codeOffset = magic.count + 112
    package static let helloByteCount = codeOffset + HandshakeFrame.codeByteCount
    package static let replyByteCount = 48
    private static let signatureLabel = Array("meshnode join request 1".utf8)

    private enum Phase: Sendable {
        case awaitingHello
        case awaitingReply(NoiseHandshake)
        case open(StreamRecords, hash: [UInt8], other: [UInt8])
        case dead
    }

    private let cluster: [UInt8]
    private let exchange: ExchangeKeyPair
    private let ephemeral: ExchangeKeyPair
    private var phase: Phase
    private var inbound: [UInt8] = []
    /// The token that the first message named, once its secret was shown to be known (a record opened).
    package private(set) var tokenID: [UInt8] = []

    /// The core node's side.
    package init(responder exchange: ExchangeKeyPair, cluster: [UInt8], entropy: inout some Entropy) {
        self.cluster = cluster
        self.exchange = exchange
        ephemeral = ExchangeKeyPair.generate(from: &entropy)
        phase = .awaitingHello
    }

    /// The joining side, and the first bytes to send; nil if the core node's key is none.
    package static func begin(
        token: (id: [UInt8], secret: SecretBytes), cluster: [UInt8], core: [UInt8], exchange: ExchangeKeyPair,
        entropy: inout some Entropy
    ) -> (channel: JoinChannel, hello: [UInt8])? {
        var channel = JoinChannel(responder: exchange, cluster: cluster, entropy: &entropy)
        var handshake = NoiseHandshake(
            .ikpsk2, as: .initiator, prologue: prologue(cluster), local: exchange, remoteStatic: core,
            ephemeral: channel.ephemeral)
        guard let message = try? handshake.write(token.id) else { return nil }
        handshake.preSharedKeys = [preSharedKey(token.secret, cluster)]
        channel.phase = .awaitingReply(handshake)
        channel.tokenID = token.id
        let hello = magic + message
        return (channel, hello + HandshakeFrame.code(hello, key: codeKey(core, cluster)))
    }

    /// Takes the next bytes, however they were cut. `secret` tells the secret of a token that may be used now.
    package mutating func receive(
        _ bytes: [UInt8], secret: ([UInt8]) -> SecretBytes? = { _ in nil }
    ) throws(StreamRejection) -> StreamOutput {
        var output = StreamOutput()
        do throws(StreamRejection) {
            inbound += bytes
            guard inbound.count <= StreamChannel.messageByteCountMax * 2 else { throw .tooLong }
            var consumed = 0
            while let step = try advance(from: consumed, secret, into: &output) { consumed += step }
            inbound.removeFirst(consumed)
        } catch {
            phase = .dead
            inbound = []
            throw error
        }
        return output
    }

    package mutating func seal(_ message: [UInt8]) throws(StreamSealError) -> [UInt8] {
        guard message.count <= StreamChannel.messageByteCountMax else { throw .tooLong }
        guard case .open(var records, let hash, let other) = phase else { throw .notEstablished }
        let sealed = records.seal(message)
        phase = .open(records, hash: hash, other: other)
        return sealed
    }

    package var isOpen: Bool { if case .open = phase { true } else { false } }

    /// The other side's X25519 key, as the handshake proved it.
    package var otherKey: [UInt8]? { if case .open(_, _, let other) = phase { other } else { nil } }

    /// What the joining machine signs besides its request: this very conversation.
    package func signedMessage(_ request: [UInt8]) -> [UInt8]? {
        guard case .open(_, let hash, _) = phase else { return nil }
        return Self.signatureLabel + hash + request
    }

    private mutating func advance(
        from offset: Int, _ secret: ([UInt8]) -> SecretBytes?, into output: inout StreamOutput
    ) throws(StreamRejection) -> Int? {
        switch phase {
        case .dead: throw .unauthentic
        case .awaitingHello: return try readHello(at: offset, secret, into: &output)
        case .awaitingReply(let handshake): return try readReply(to: handshake, at: offset)
        case .open(var records, let hash, let other):
            let step = try records.open(inbound, at: offset, into: &output.plaintext)
            phase = .open(records, hash: hash, other: other)
            return step
        }
    }

    private mutating func readHello(
        at offset: Int, _ secret: ([UInt8]) -> SecretBytes?, into output: inout StreamOutput
    ) throws(StreamRejection) -> Int? {
        let hello = Array(inbound[offset...].prefix(Self.helloByteCount))
        guard zip(hello, Self.magic).allSatisfy(==) else { throw .notAStream }
        guard hello.count == Self.helloByteCount else { return nil }
        guard
            HandshakeFrame.hasCode(hello, at: Self.codeOffset, key: Self.codeKey(exchange.publicKey, cluster))
        else { throw .unauthentic }
        var handshake = NoiseHandshake(
            .ikpsk2, as: .responder, prologue: Self.prologue(cluster), local: exchange, remoteStatic: nil,
            ephemeral: ephemeral)
        guard let id = try? handshake.read(Array(hello[Self.magic.count..<Self.codeOffset])),
            id.count == Self.tokenIDByteCount, let other = handshake.remoteStatic
        else { throw .unauthentic }
        guard let found = secret(id) else { throw .unknownPeer }
        handshake.preSharedKeys = [Self.preSharedKey(found, cluster)]
        guard let reply = try? handshake.write([]) else { throw .unauthentic }
        output.reply += reply
        tokenID = id
        open(handshake, other: other)
        return Self.helloByteCount
    }

    private mutating func readReply(to handshake: NoiseHandshake, at offset: Int) throws(StreamRejection) -> Int? {
        guard inbound.count - offset >= Self.replyByteCount else { return nil }
        var complete = handshake
        guard (try? complete.read(Array(inbound[offset..<offset + Self.replyByteCount]))) == [],
            let other = complete.remoteStatic
        else { throw .unauthentic }
        open(complete, other: other)
        return Self.replyByteCount
    }

    private mutating func open(_ handshake: NoiseHandshake, other: [UInt8]) {
        let keys = handshake.split()
        phase = .open(
            StreamRecords(sendKey: keys.send, receiveKey: keys.receive), hash: handshake.handshakeHash, other: other)
    }

    private static func prologue(_ cluster: [UInt8]) -> [UInt8] {
        Array("meshnode join 1".utf8) + Blake2b.hash(cluster)
    }

    private static func codeKey(_ publicKey: [UInt8], _ cluster: [UInt8]) -> [UInt8] {
        Blake2b.hash(Array("meshnode join code".utf8) + publicKey + cluster)
    }

    private static func preSharedKey(_ secret: SecretBytes, _ cluster: [UInt8]) -> SecretBytes {
        Blake2b.derive(Array("meshnode join token".utf8) + cluster, from: secret)
    }
}
