import Primitives

/// What every member of one cluster holds: a public 16-byte id that names the cluster and 32 secret bytes.
/// The secret is mixed into every handshake, which besides takes a node's own keys: with one of both nobody can speak.
package struct ClusterKey: Sendable {
    package static let idByteCount = 16
    package static let secretByteCount = 32

    package let id: [UInt8]
    package let secret: SecretBytes

    /// Traps on other lengths: decode untrusted bytes with `init(keyFile:)`.
    package init(id: [UInt8], secret: SecretBytes) {
        precondition(id.count == Self.idByteCount, "a cluster id has 16 bytes, not \(id.count)")
        precondition(secret.count == Self.secretByteCount, "a cluster secret has 32 bytes, not \(secret.count)")
        self.id = id
        self.secret = secret
    }

    package static func generate(from entropy: inout some Entropy) -> ClusterKey {
        ClusterKey(
            id: entropy.bytes(idByteCount), secret: SecretBytes(random: secretByteCount, from: &entropy))
    }

    /// A key for one purpose of this cluster, so that no two purposes share a key.
    func derive(_ purpose: String) -> SecretBytes {
        Blake2b.derive(Array("meshnode ".utf8) + Array(purpose.utf8) + id, from: secret)
    }

    private static let fields = [KeyFile.Field("id", idByteCount), KeyFile.Field("secret", secretByteCount)]

    package init(keyFile: [UInt8]) throws(KeyFileError) {
        var values = try KeyFile.decode(keyFile, kind: "meshnode cluster key", fields: Self.fields)
        self.init(id: values[0], secret: SecretBytes(copying: values[1]))
        SecretBytes.erase(&values[1])
    }

    /// Text for a file of mode 0600.
    package func encodeKeyFile() -> [UInt8] {
        KeyFile.encode(
            kind: "meshnode cluster key", fields: Self.fields, values: [id, secret.withUnsafeBytes(Array.init)])
    }
}
