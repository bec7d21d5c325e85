import Crypto
import Foundation
import SecureChannel
import Testing

/// Makes tokens that differ from a genuine one in a single respect, with the key of the node that issued it.
struct TokenForger {
    private let header: [String: Any]
    private let claims: [String: Any]
    private let key: Curve25519.Signing.PrivateKey

    init(_ genuine: String, dataDirectory: String) throws {
        let parts = TestToken.parts(genuine)
        header = try TestToken.object(parts[0])
        claims = try TestToken.claims(genuine)
        let file = try Data(contentsOf: URL(fileURLWithPath: dataDirectory + "/identity.key"))
        // As `NodeSecrets` derives it.
        let seed = try Identity(keyFile: Array(file)).deriveLocalKey("token signing")
        key = try Curve25519.Signing.PrivateKey(rawRepresentation: seed.withUnsafeBytes { Array($0) })
    }

    func unchanged() throws -> String { try TestToken.sign(header, claims, key) }

    /// Issued an hour before, and so at its end half an hour ago.
    func expired() throws -> String {
        var claims = claims
        for name in ["iat", "exp"] { claims[name] = try #require(claims[name] as? Int) - 3600 }
        return try TestToken.sign(header, claims, key)
    }

    func signedByAnother() throws -> String { try TestToken.sign(header, claims, Curve25519.Signing.PrivateKey()) }
}
