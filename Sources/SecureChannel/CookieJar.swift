import Primitives

/// Proof that a source receives what is sent to it, for a responder that keeps nothing about sources (WireGuard §5.4.7,
/// after DTLS): a code over the source under a secret of two minutes, which comes back in the next initiation.
struct CookieJar: Sendable {
    static let lifetime: Duration = .seconds(120)

    private var secret: SecretBytes?
    private var previous: SecretBytes?
    private var drawnAt: Instant = .zero

    /// What this source must show.
    mutating func bake(for source: Endpoint, now: Instant, entropy: inout some Entropy) -> [UInt8] {
        if secret == nil || now - drawnAt >= Self.lifetime {
            previous = secret
            secret = SecretBytes(random: 32, from: &entropy)
            drawnAt = now
        }
        // Drawn above if there was none.
        return Self.cookie(of: source, under: secret!)
    }

    /// Whether the last code of `initiation` shows a cookie of this source.
    func accepts(_ initiation: [UInt8], from source: Endpoint, now: Instant) -> Bool {
        let offset = HandshakeFrame.initiationByteCount - HandshakeFrame.codeByteCount
        guard now - drawnAt < Self.lifetime * 2 else { return false }
        for secret in [secret, previous] {
            if let secret, HandshakeFrame.hasCode(initiation, at: offset, key: Self.cookie(of: source, under: secret)) {
                return true
            }
        }
        return false
    }

    private static func cookie(of source: Endpoint, under secret: SecretBytes) -> [UInt8] {
        var writer = ByteWriter(capacity: 18)
        writer.write(source)
        return Blake2b.keyed(writer.bytes, key: secret, byteCount: HandshakeFrame.codeByteCount)
    }
}
