import Authority
import Crypto
import Foundation
import HTTPTypes
import NodeCore
import Primitives

/// What a signed-in browser carries instead of tokens: a cookie that scripts cannot read, and a secret that other pages
/// cannot read. Neither counts without the other.
///
/// ```
///   cookie  mesh_<first 8 digits of the node id> = base64url( nonce 12 | sealed | tag 16 )
///   sealed  session 16 | refresh secret 32 | session's expiry when it was made, 8      ChaCha20-Poly1305, RFC 8439
///   bound   to the node's own key and, as additional data, to the secret of header X-Mesh-Session-Secret
/// ```
/// The cookie is HttpOnly, so injected script cannot carry it off; the secret lies in the page's origin storage, so a
/// request that another site triggers lacks it (cookies ignore ports, and SameSite takes all of 127.0.0.1 for one site:
/// neither would tell two programs of one machine apart). Both are good on this node alone. The node itself keeps
/// nothing, so its restart signs nobody out, and the session's place in the replicated table decides.
struct BrowserCookie: Sendable {
    let session: SessionID
    let refreshToken: RefreshToken
    /// The session's expiry after the exchange that made this cookie's refresh token current. Once the session has
    /// another one, the token was replaced, and presenting it would end the session.
    let expiresAt: UnixTime

    private static let plainByteCount = 16 + 32 + 8

    static func name(_ node: NodeID) -> String { "mesh_" + node.description.prefix(8) }

    static func drawSecret() -> String {
        SymmetricKey(size: .bits256).withUnsafeBytes { Base64URL.encode(Array($0)) }
    }

    init(_ refreshToken: RefreshToken, expiresAt: UnixTime) {
        session = refreshToken.session
        self.refreshToken = refreshToken
        self.expiresAt = expiresAt
    }

    /// This node's cookie in a request, not opened yet; nil where there is none.
    static func find(in fields: HTTPFields, node: NodeID) -> String? {
        let prefix = name(node) + "="
        let pairs = fields[values: .cookie].flatMap { $0.split(separator: ";") }
        let mine = pairs.map { $0.trimmingCharacters(in: .whitespaces) }.first { $0.hasPrefix(prefix) }
        return mine.map { String($0.dropFirst(prefix.count)) }
    }

    /// Opens what `seal` made; nil for another secret, another node's cookie, or anything else.
    init?(opening value: String, secret: String, key: SymmetricKey) {
        guard value.utf8.count <= 256, let combined = Base64URL.decode(value),
            let box = try? ChaChaPoly.SealedBox(combined: combined),
            let opened = try? ChaChaPoly.open(box, using: key, authenticating: Array(secret.utf8)),
            opened.count == Self.plainByteCount
        else { return nil }
        let plain = Array(opened)
        session = SessionID(bytes: Array(plain[..<16]))!  // sixteen bytes are an id
        refreshToken = RefreshToken(session: session, secret: SymmetricKey(data: plain[16..<48]))
        expiresAt = UnixTime(milliseconds: plain[48...].reduce(0) { $0 << 8 | Int64($1) })
    }

    func seal(secret: String, key: SymmetricKey) -> String {
        let expiry = (0..<8).map { UInt8(truncatingIfNeeded: expiresAt.milliseconds >> (56 - 8 * $0)) }
        let plain = session.bytes + refreshToken.secretBytes + expiry
        // Sealing a short message under a fresh nonce has no failure that a caller could cause.
        return Base64URL.encode(try! ChaChaPoly.seal(plain, using: key, authenticating: Array(secret.utf8)).combined)
    }

    /// `Set-Cookie`: for a month, while the session's own expiry decides what it is worth.
    func field(node: NodeID, secret: String, key: SymmetricKey, isSecure: Bool) -> String {
        "\(Self.name(node))=\(seal(secret: secret, key: key)); Path=/mesh; Max-Age=2592000; HttpOnly; SameSite=Strict"
            + (isSecure ? "; Secure" : "")
    }

    static func removal(node: NodeID) -> String { "\(name(node))=; Path=/mesh; Max-Age=0; HttpOnly; SameSite=Strict" }
}
