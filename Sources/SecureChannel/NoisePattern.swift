/// A handshake as the Noise specification writes it down (revision 34, §7 and §9): what both sides know before, and
/// what each message carries. The first message is the initiator's.
package struct NoisePattern: Sendable {
    package enum Token: Sendable {
        /// An ephemeral key, in the clear.
        case e
        /// A static key, encrypted once there is a key.
        case s
        /// Diffie-Hellman: the initiator's key by its first letter, the responder's by its second.
        case ee, es, se, ss
        /// A key that was shared beforehand.
        case psk
    }

    /// The part of the protocol's name that tells the pattern.
    let name: String
    package let initiatorIsKnown: Bool
    package let responderIsKnown: Bool
    let messages: [[Token]]
    /// A pre-shared key anywhere makes ephemeral keys part of the chain (§9.2).
    let usesPreSharedKey: Bool

    package init(
        _ name: String, initiatorIsKnown: Bool = false, responderIsKnown: Bool = false, messages: [[Token]]
    ) {
        self.name = name
        self.initiatorIsKnown = initiatorIsKnown
        self.responderIsKnown = responderIsKnown
        self.messages = messages
        usesPreSharedKey = messages.contains { $0.contains(.psk) }
    }

    /// The initiator knows whom it calls and hides who it is; the pre-shared key comes last, so that the responder can
    /// look up which one the first message names.
    ///
    ///     <- s
    ///     ...
    ///     -> e, es, s, ss
    ///     <- e, ee, se, psk
    package static let ikpsk2 = NoisePattern(
        "IKpsk2", responderIsKnown: true, messages: [[.e, .es, .s, .ss], [.e, .ee, .se, .psk]])

    package var protocolName: String { "Noise_\(name)_25519_ChaChaPoly_BLAKE2b" }
}

/// Why a handshake message is refused.
package enum NoiseError: Error, Hashable, Sendable {
    /// Shorter than its fields. The handshake that read it must not go on.
    case truncated
    /// Something does not open: forged, corrupted, or under other keys. The handshake that read it must not go on.
    case unauthentic
    /// A public key with which anybody could compute the shared secret. The handshake must not go on.
    case weakKey
}
