import Primitives

/// What a node tells the mesh about itself that changes only with its configuration; a gossip section of its own.
package struct NodeDescriptor: Hashable, Sendable {
    package let http: Endpoint
    package let trustClass: TrustClass
    package let rank: Int
    /// The program's version, for people.
    package let version: String
    /// The node's Ed25519 public key (32 bytes): verifies the delegations it signs.
    package let verificationKey: [UInt8]
    package let servesTLS: Bool

    package init(
        http: Endpoint, trustClass: TrustClass, rank: Int, version: String, verificationKey: [UInt8], servesTLS: Bool
    ) {
        self.http = http
        self.trustClass = trustClass
        self.rank = rank
        self.version = version
        self.verificationKey = verificationKey
        self.servesTLS = servesTLS
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(http)
        writer.write(trustClass == .core)
        writer.write(UInt16(rank))
        writer.write(version)
        writer.writeRaw(verificationKey)
        writer.write(servesTLS)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        http = try reader.readEndpoint()
        trustClass = try reader.readBool() ? .core : .edge
        rank = Int(try reader.readUInt16())
        version = try reader.readString(limit: 32)
        verificationKey = try reader.readRaw(32)
        servesTLS = try reader.readBool()
        try reader.expectEnd()
    }
}
