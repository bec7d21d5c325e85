import Authority
import Crypto

/// An API key as its owner holds it: `mesh_<id, 32 hex digits>_<32 random bytes, base64url>`. The mesh stores the id and
/// SHA-256 of the whole text; against 256 random bits a slow password hash would add nothing but delay.
package struct APIKeySecret: Sendable {
    static let prefix = "mesh_"

    package let id: APIKeyID
    package let text: String

    package static func draw() -> APIKeySecret {
        let id = APIKeyID.random()
        let secret = SymmetricKey(size: .bits256).withUnsafeBytes { Base64URL.encode(Array($0)) }
        return APIKeySecret(id: id, text: "\(prefix)\(id)_\(secret)")
    }

    private init(id: APIKeyID, text: String) {
        self.id = id
        self.text = text
    }

    /// Returns nil unless `text` has the form of a key of ours.
    init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "_"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].elementsEqual("mesh".utf8),
            let id = APIKeyID(hex: String(Substring(parts[1]))),
            Base64URL.decode(Substring(parts[2]))?.count == 32
        else { return nil }
        self.init(id: id, text: text)
    }

    package var hash: Bytes32 { Bytes32(Array(SHA256.hash(data: Array(text.utf8))))! }  // SHA-256 has 32 bytes

    /// Looks at every byte, whichever differs first.
    func matches(_ stored: Bytes32) -> Bool {
        zip(hash.bytes, stored.bytes).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

extension Identifier {
    /// Sixteen bytes from the system's generator.
    package static func random() -> Self {
        var source = SystemRandomNumberGenerator()
        return Self(high: source.next(), low: source.next())
    }
}
