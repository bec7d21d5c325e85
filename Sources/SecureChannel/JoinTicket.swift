import Primitives

/// What a person carries to the new machine: which mesh, whom to ask there, and a secret that is good once.
///
///     mnjoin1.<base64url of: id 16 | secret 32 | cluster 16 | expiry 8 | n | n x (core node's key 32, address) | check 4>
///
/// Never an argument of a command: whoever sees it may join until it was used.
package struct JoinTicket: Sendable {
    package struct Core: Hashable, Sendable {
        /// X25519.
        package let exchangeKey: [UInt8]
        package let endpoint: Endpoint

        package init(exchangeKey: [UInt8], endpoint: Endpoint) {
            self.exchangeKey = exchangeKey
            self.endpoint = endpoint
        }
    }

    private static let prefix = "mnjoin1."
    package static let coresMax = 8
    private static let checkByteCount = 16
    /// A longer text is none.
    package static let textByteCountMax = 2048

    /// 16 bytes.
    package let id: [UInt8]
    package let secret: SecretBytes
    package let cluster: [UInt8]
    package let expiresAtMilliseconds: Int64
    package let cores: [Core]

    package init(id: [UInt8], secret: SecretBytes, cluster: [UInt8], expiresAtMilliseconds: Int64, cores: [Core]) {
        precondition(
            id.count == 16 && cluster.count == 16 && secret.count == 32, "a ticket's fields have fixed lengths")
        self.id = id
        self.secret = secret
        self.cluster = cluster
        self.expiresAtMilliseconds = expiresAtMilliseconds
        self.cores = Array(cores.prefix(Self.coresMax))
    }

    package func encode() -> String {
        var writer = ByteWriter(capacity: 512)
        writer.writeRaw(id)
        secret.withUnsafeBytes { writer.writeRaw(Array($0)) }
        writer.writeRaw(cluster)
        writer.write(expiresAtMilliseconds)
        writer.writeArray(cores) { writer, core in
            writer.writeRaw(core.exchangeKey)
            writer.write(core.endpoint)
        }
        var bytes = writer.bytes
        bytes += Blake2b.hash(bytes, byteCount: Self.checkByteCount)
        defer { SecretBytes.erase(&bytes) }
        return Self.prefix + Sodium.base64URL(bytes)
    }

    /// Nil for anything that `encode` did not make, a mistyped letter included.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.textByteCountMax, text.hasPrefix(Self.prefix),
            var bytes = Sodium.decodeBase64URL(String(text.dropFirst(Self.prefix.count))),
            bytes.count > Self.checkByteCount
        else { return nil }
        defer { SecretBytes.erase(&bytes) }
        let body = Array(bytes.dropLast(Self.checkByteCount))
        guard Array(bytes.suffix(Self.checkByteCount)) == Blake2b.hash(body, byteCount: Self.checkByteCount),
            let ticket = try? JoinTicket(decoding: body)
        else { return nil }
        self = ticket
    }

    private init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        id = try reader.readRaw(16)
        var raw = try reader.readRaw(32)
        secret = SecretBytes(copying: raw)
        SecretBytes.erase(&raw)
        cluster = try reader.readRaw(16)
        expiresAtMilliseconds = try reader.readInt64()
        cores = try reader.readArray(limit: Self.coresMax) { (reader) throws(DecodeError) in
            Core(exchangeKey: try reader.readRaw(32), endpoint: try reader.readEndpoint())
        }
        try reader.expectEnd()
        guard !cores.isEmpty else { throw .invalid("ticket without core nodes") }
    }

    /// For the copy that each core node keeps of the secret.
    package static func context(cluster: [UInt8], id: [UInt8], node: NodeID) -> [UInt8] {
        Array("meshnode join secret".utf8) + cluster + id + node.bytes
    }
}
