import Authority
import Crypto
import Primitives
import SecureChannel

/// The secrets that one node's HTTP side holds, each for one purpose. Those derived from its identity are the same after every
/// start, so that tokens and browser cookies outlive a restart, and they never leave the node.
package struct NodeSecrets: Sendable {
    private let tokenSeed: SymmetricKey
    /// Signs what changes the mesh itself, where this node is core.
    let identity: Identity
    /// Seals browser cookies.
    let cookieKey: SymmetricKey

    /// Mixed into passwords; core nodes have it.
    let coreKey: CoreKey?

    /// Seal shared values; core nodes have them.
    let dataKeys: SharedDataKeys?

    package init(_ identity: Identity, coreKey: CoreKey? = nil, dataKeys: SharedDataKeys? = nil) {
        self.identity = identity
        self.dataKeys = dataKeys
        self.coreKey = coreKey
        func derive(_ purpose: String) -> SymmetricKey {
            identity.deriveLocalKey(purpose).withUnsafeBytes { SymmetricKey(data: $0) }
        }
        tokenSeed = derive("token signing")
        cookieKey = derive("browser cookies")
    }

    /// Derived at each call.
    package var tokenKey: TokenSigningKey { TokenSigningKey(seed: tokenSeed) }
}

/// One node's key for signing tokens.
package struct TokenSigningKey: Sendable {
    let privateKey: Curve25519.Signing.PrivateKey
    package let publicKey: Bytes32
    /// The first half of the public key's SHA-256: the same key always has the same id.
    package let id: SigningKeyID

    init(seed: SymmetricKey) {
        // Every 32-byte string is an Ed25519 private key, and every public key has 32 bytes (RFC 8032 §5.1.5).
        privateKey = try! seed.withUnsafeBytes { try Curve25519.Signing.PrivateKey(rawRepresentation: $0) }
        let bytes = Array(privateKey.publicKey.rawRepresentation)
        publicKey = Bytes32(bytes)!
        id = SigningKeyID(bytes: Array(SHA256.hash(data: bytes).prefix(SigningKeyID.byteCount)))!
    }

    package func record(of node: NodeID) -> SigningKeyRecord {
        SigningKeyRecord(node: node, id: id, publicKey: publicKey)
    }
}
