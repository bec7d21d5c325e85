import Primitives

/// What only core nodes know, and mix into every password before it is hashed (a pepper, NIST SP 800-63B §5.1.1.2): the
/// verifiers in the replicated log are then no help to who guesses passwords on the disk of a stolen edge machine.
///
/// Drawn when a mesh is made, handed to core nodes as they join, and kept by each in a file of its own.
package struct CoreKey: Sendable {
    package static let byteCount = 32
    private static let kind = "meshnode core key"
    private static let fields = [KeyFile.Field("key", byteCount)]

    package let secret: SecretBytes

    /// Traps on another length: decode untrusted bytes with `init(keyFile:)`.
    package init(_ secret: SecretBytes) {
        precondition(secret.count == Self.byteCount, "a core key has \(Self.byteCount) bytes, not \(secret.count)")
        self.secret = secret
    }

    package static func generate(from entropy: inout some Entropy) -> CoreKey {
        CoreKey(SecretBytes(random: byteCount, from: &entropy))
    }

    /// What is hashed in the password's place.
    package func mixed(into password: String) -> String {
        Hex.encode(Blake2b.keyed(Array("meshnode password\n".utf8) + Array(password.utf8), key: secret))
    }

    package init(keyFile: [UInt8]) throws(KeyFileError) {
        var values = try KeyFile.decode(keyFile, kind: Self.kind, fields: Self.fields)
        self.init(SecretBytes(copying: values[0]))
        SecretBytes.erase(&values[0])
    }

    /// Text for a file of mode 0600.
    package func encodeKeyFile() -> [UInt8] {
        KeyFile.encode(kind: Self.kind, fields: Self.fields, values: [secret.withUnsafeBytes(Array.init)])
    }
}
