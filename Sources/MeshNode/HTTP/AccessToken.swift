import Authority
import Crypto
import Foundation
import JWTKit
import NodeCore
import Primitives

/// An access token: an EdDSA JWT (RFC 7519, RFC 8037) that any node signs with its own key and every node verifies.
///
/// ```
///   header  {"alg":"EdDSA","typ":"JWT","kid": 32 hex digits}
///   claims  {"iss": the mesh's public hash, "sub": user, "sid": session, "role": for other services to read,
///            "idx": log index of the grant, "iat", "exp": whole Unix seconds by the log's clock}
/// ```
/// A good signature is only half of it: inside the mesh a token counts while its session is in the replicated table,
/// and role comes from the user table (`Authenticator`).
struct AccessToken: JWTPayload, Hashable {
    static let lifetimeSeconds: Int64 = 1800
    /// Longest accepted text; ours are about 450 bytes.
    static let textBytesMax = 2048

    let iss: String
    let sub: String
    let sid: String
    let role: String
    let idx: UInt64
    let iat: Int64
    let exp: Int64

    /// Dates are judged by the log's clock, which this method is not given; `Authenticator` does so.
    func verify(using algorithm: some JWTAlgorithm) throws {}
}

/// A token taken apart but not believed yet.
struct ParsedToken: Hashable, Sendable {
    let key: SigningKeyID
    let claims: AccessToken
    let session: SessionID
    let user: UserName
    private let signedBytes: [UInt8]
    private let signature: [UInt8]

    /// Accepts exactly the algorithm that is ours: `none` and every other are malformed (RFC 8725 §3.1).
    init(_ text: String) throws(AuthRefusal) {
        guard text.utf8.count <= AccessToken.textBytesMax else { throw .malformed }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3,
            let header = Base64URL.decode(parts[0]), let body = Base64URL.decode(parts[1]),
            let signature = Base64URL.decode(parts[2]), signature.count == 64,
            let head = try? JSONDecoder().decode(Header.self, from: Data(header)),
            head.alg == "EdDSA", head.crit == nil, let key = SigningKeyID(hex: head.kid),
            let claims = try? JSONDecoder().decode(AccessToken.self, from: Data(body)),
            let session = SessionID(hex: claims.sid), let user = UserName(claims.sub),
            claims.exp > claims.iat, claims.exp - claims.iat <= AccessToken.lifetimeSeconds
        else { throw .malformed }
        self.key = key
        self.claims = claims
        self.session = session
        self.user = user
        self.signature = signature
        signedBytes = Array(text.utf8.prefix(parts[0].utf8.count + 1 + parts[1].utf8.count))
    }

    func isSigned(by publicKey: Bytes32) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey.bytes) else { return false }
        return key.isValidSignature(signature, for: signedBytes)
    }

    private struct Header: Decodable {
        let alg: String
        let kid: String
        /// Extensions that must be understood (RFC 7515 §4.1.11); none are.
        let crit: [String]?
    }
}

/// Base64 with the URL alphabet and no padding (RFC 4648 §5), as tokens and keys carry bytes.
enum Base64URL {
    static func encode(_ bytes: some Collection<UInt8>) -> String {
        String(
            Data(bytes).base64EncodedString().compactMap { character in
                switch character {
                case "+": "-"
                case "/": "_"
                case "=": nil
                default: character
                }
            })
    }

    /// Returns nil for padding, any other character, or bits that no encoder leaves.
    static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count * 3 / 4)
        var bits: UInt32 = 0
        var bitCount = 0
        for character in text.utf8 {
            guard let value = value(of: character) else { return nil }
            bits = bits << 6 | UInt32(value)
            bitCount += 6
            guard bitCount >= 8 else { continue }
            bitCount -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
        }
        guard bitCount < 6, bits & (1 << UInt32(bitCount) - 1) == 0 else { return nil }
        return bytes
    }

    private static func value(of character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}

extension ClusterView {
    /// What people and tokens see instead of the mesh's id, which is a secret of sorts: half of its SHA-256.
    package var publicHash: String {
        Hex.encode(SHA256.hash(data: Array("meshnode cluster id".utf8) + clusterID).prefix(16))
    }
}
