/// One side of a Noise handshake (revision 34, §5.3): a pure state machine over any pattern. `write` and `read` take
/// turns as the pattern says; after the last message `split` gives the keys.
///
/// A value: read a message that may be forged with a copy, and keep the copy only if it was authentic.
package struct NoiseHandshake: Sendable {
    package enum Role: Sendable {
        case initiator
        case responder
    }

    private let pattern: NoisePattern
    private let role: Role
    private let local: ExchangeKeyPair?
    private let ephemeral: ExchangeKeyPair
    private var symmetric: SymmetricState
    private var remoteEphemeral: [UInt8]?
    /// The other side's static key, as soon as it is known. Known is not yet proven: that is the pattern's matter.
    package private(set) var remoteStatic: [UInt8]?
    /// Used up in order, one for each `psk` of the pattern; may be given until the message that uses it.
    package var preSharedKeys: [SecretBytes] = []
    private var messageCount = 0

    package init(
        _ pattern: NoisePattern, as role: Role, prologue: [UInt8], local: ExchangeKeyPair?, remoteStatic: [UInt8]?,
        ephemeral: ExchangeKeyPair
    ) {
        self.pattern = pattern
        self.role = role
        self.local = local
        self.ephemeral = ephemeral
        self.remoteStatic = remoteStatic
        symmetric = SymmetricState(protocolName: pattern.protocolName)
        symmetric.mixHash(prologue)
        let (mine, theirs) = (local?.publicKey, remoteStatic)
        if pattern.initiatorIsKnown { mixKnown(role == .initiator ? mine : theirs) }
        if pattern.responderIsKnown { mixKnown(role == .responder ? mine : theirs) }
    }

    package var isComplete: Bool { messageCount == pattern.messages.count }
    /// Equal on both sides; names this very conversation (§11.2).
    package var handshakeHash: [UInt8] { symmetric.hash }

    /// The next message, with `payload` as far protected as the pattern has come.
    package mutating func write(_ payload: [UInt8]) throws(NoiseError) -> [UInt8] {
        var message: [UInt8] = []
        for token in takeTokens(of: role) {
            switch token {
            case .e:
                message += ephemeral.publicKey
                mixEphemeral(ephemeral.publicKey)
            case .s: message += symmetric.encryptAndHash(ownStatic.publicKey)
            case .ee, .es, .se, .ss, .psk: try mix(token)
            }
        }
        return message + symmetric.encryptAndHash(payload)
    }

    /// What the other side said. After an error this value must not be used again.
    package mutating func read(_ message: [UInt8]) throws(NoiseError) -> [UInt8] {
        var rest = message[...]
        for token in takeTokens(of: role == .initiator ? .responder : .initiator) {
            switch token {
            case .e:
                let key = try Self.take(ExchangeKeyPair.byteCount, from: &rest)
                remoteEphemeral = key
                mixEphemeral(key)
            case .s:
                let field = try Self.take(ExchangeKeyPair.byteCount + symmetric.fieldOverhead, from: &rest)
                remoteStatic = try symmetric.decryptAndHash(field)
            case .ee, .es, .se, .ss, .psk: try mix(token)
            }
        }
        return try symmetric.decryptAndHash(Array(rest))
    }

    /// The keys that follow from a complete handshake.
    package func split() -> (send: SecretBytes, receive: SecretBytes) {
        precondition(
            isComplete, "\(pattern.name) has \(pattern.messages.count) messages, \(messageCount) were exchanged")
        let keys = symmetric.split()
        return role == .initiator ? (keys.toResponder, keys.toInitiator) : (keys.toInitiator, keys.toResponder)
    }

    // MARK: Tokens

    private mutating func takeTokens(of writer: Role) -> [NoisePattern.Token] {
        let isInitiatorsTurn = messageCount.isMultiple(of: 2)
        precondition(
            !isComplete && isInitiatorsTurn == (writer == .initiator), "message \(messageCount) is not \(writer)'s")
        messageCount += 1
        return pattern.messages[messageCount - 1]
    }

    private mutating func mixKnown(_ key: [UInt8]?) {
        guard let key else { preconditionFailure("\(pattern.name) needs a static key beforehand") }
        symmetric.mixHash(key)
    }

    private mutating func mixEphemeral(_ key: [UInt8]) {
        symmetric.mixHash(key)
        if pattern.usesPreSharedKey { symmetric.mixKey(key) }
    }

    private mutating func mix(_ token: NoisePattern.Token) throws(NoiseError) {
        let isInitiator = role == .initiator
        switch token {
        case .e, .s: preconditionFailure("\(token) travels, it is not mixed")
        case .ee: try mix(ephemeral, theirEphemeral)
        case .es: try isInitiator ? mix(ephemeral, theirStatic) : mix(ownStatic, theirEphemeral)
        case .se: try isInitiator ? mix(ownStatic, theirEphemeral) : mix(ephemeral, theirStatic)
        case .ss: try mix(ownStatic, theirStatic)
        case .psk:
            precondition(!preSharedKeys.isEmpty, "\(pattern.name) needs a pre-shared key by now")
            symmetric.mixKeyAndHash(preSharedKeys.removeFirst())
        }
    }

    private mutating func mix(_ mine: ExchangeKeyPair, _ theirs: [UInt8]) throws(NoiseError) {
        guard let shared = mine.agree(with: theirs) else { throw .weakKey }
        symmetric.mixKey(shared)
    }

    private var ownStatic: ExchangeKeyPair {
        guard let local else { preconditionFailure("\(pattern.name) needs a static key of the \(role)") }
        return local
    }

    private var theirStatic: [UInt8] {
        guard let remoteStatic else { preconditionFailure("\(pattern.name) uses a static key before it is known") }
        return remoteStatic
    }

    private var theirEphemeral: [UInt8] {
        guard let remoteEphemeral else {
            preconditionFailure("\(pattern.name) uses an ephemeral key before it is known")
        }
        return remoteEphemeral
    }

    private static func take(_ count: Int, from rest: inout ArraySlice<UInt8>) throws(NoiseError) -> [UInt8] {
        guard rest.count >= count else { throw .truncated }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}
