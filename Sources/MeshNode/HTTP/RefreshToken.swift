import Authority
import Crypto
import Foundation

/// A refresh token: `mrt_<session, 32 hex digits>_<32 random bytes, base64url>`. The mesh stores its SHA-256 alone.
///
/// Each use replaces it. The successor travels through the log sealed under a key that only the holder of the
/// predecessor can derive, so whoever lost the reply can ask again, on any node, and is told the same successor.
struct RefreshToken: Sendable {
    let session: SessionID
    let secretBytes: [UInt8]

    static func draw(for session: SessionID) -> RefreshToken {
        RefreshToken(session: session, secret: SymmetricKey(size: .bits256))
    }

    /// `secret`: 32 bytes.
    init(session: SessionID, secret: SymmetricKey) {
        precondition(secret.bitCount == 256, "a refresh secret of \(secret.bitCount) bits")
        self.session = session
        secretBytes = secret.withUnsafeBytes { Array($0) }
    }

    /// Returns nil unless `text` has the form of a token of ours.
    init?(_ text: String) {
        let parts = text.split(separator: "_", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "mrt", let session = SessionID(hex: String(parts[1])),
            let secret = Base64URL.decode(parts[2]), secret.count == 32
        else { return nil }
        self.session = session
        secretBytes = secret
    }

    var text: String { "mrt_\(session)_\(Base64URL.encode(secretBytes))" }

    var hash: Bytes32 { Bytes32(Array(SHA256.hash(data: Array(text.utf8))))! }  // SHA-256 has 32 bytes

    func rotation(to successor: RefreshToken) -> RefreshRotation {
        // Sealing a short message under a fresh key and nonce has no failure that a caller could cause.
        let sealed = try! ChaChaPoly.seal(Array(successor.text.utf8), using: successorKey)
        return RefreshRotation(
            session: session, presentedHash: hash, successorHash: successor.hash,
            sealedSuccessor: Array(sealed.combined))
    }

    /// Returns nil where the bytes were sealed under another predecessor.
    func openSuccessor(_ sealed: [UInt8]) -> RefreshToken? {
        guard let box = try? ChaChaPoly.SealedBox(combined: sealed),
            let plain = try? ChaChaPoly.open(box, using: successorKey)
        else { return nil }
        return RefreshToken(String(decoding: plain, as: UTF8.self))
    }

    private var successorKey: SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: secretBytes), info: Array("meshnode refresh successor".utf8),
            outputByteCount: 32)
    }
}
