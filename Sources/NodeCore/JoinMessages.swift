import Primitives
import SecureChannel

/// What a joining machine says of itself, after the handshake that proved its X25519 key.
///
/// ```
/// name | replica 8 | signing key 32 | mesh address | signature 64 over the conversation and all before it
/// ```
package struct JoinRequest: Hashable, Sendable {
    package static let nameBytesMax = 64

    package let name: String
    package let replica: ReplicaID
    /// Ed25519.
    package let signingKey: [UInt8]
    package let endpoint: Endpoint

    package init(name: String, replica: ReplicaID, signingKey: [UInt8], endpoint: Endpoint) {
        self.name = name
        self.replica = replica
        self.signingKey = signingKey
        self.endpoint = endpoint
    }

    /// What is signed, besides the conversation.
    package var body: [UInt8] {
        var writer = ByteWriter(capacity: 128)
        writer.write(name)
        writer.write(replica)
        writer.writeRaw(signingKey)
        writer.write(endpoint)
        return writer.bytes
    }

    /// A request and its signature, as they travel.
    package func encode(signature: [UInt8]) -> [UInt8] { body + signature }

    package static func decode(
        _ bytes: [UInt8]
    ) throws(DecodeError) -> (request: JoinRequest, signature: [UInt8]) {
        var reader = ByteReader(bytes)
        let request = JoinRequest(
            name: try reader.readString(limit: nameBytesMax), replica: try reader.readReplicaID(),
            signingKey: try reader.readRaw(PublicIdentity.keyByteCount), endpoint: try reader.readEndpoint())
        let signature = try reader.readRaw(Identity.signatureByteCount)
        try reader.expectEnd()
        guard !request.name.isEmpty else { throw .invalid("name") }
        return (request, signature)
    }
}

/// What a core node answers.
///
/// ```
/// 0 | text: why not
/// 1 | genesis | roster | epoch 4 | secret 32 | 0 or 1, core key 32 | count | (node 16 | name | address) ...
/// 2 | the same | data keys, as their file
/// ```
package enum JoinAnswer: Sendable {
    case refused(String)
    case welcome(JoinWelcome)

    private static let reasonBytesMax = 512

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 1024)
        switch self {
        case .refused(let reason):
            writer.write(UInt8(0))
            writer.write(String(reason.prefix(Self.reasonBytesMax / 4)))
        case .welcome(let welcome):
            writer.write(UInt8(welcome.dataKeys == nil ? 1 : 2))
            writer.write(welcome.genesis)
            writer.write(welcome.roster)
            writer.write(welcome.epoch)
            welcome.secret.withUnsafeBytes { writer.writeRaw(Array($0)) }
            writer.writeOptional(welcome.coreKey) { writer, key in
                key.secret.withUnsafeBytes { writer.writeRaw(Array($0)) }
            }
            writer.writeArray(welcome.contacts) { writer, contact in
                writer.write(contact.node)
                writer.write(contact.name)
                writer.write(contact.endpoint)
            }
            if let keys = welcome.dataKeys { writer.write(keys.encodeKeyFile()) }
        }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        switch try reader.readUInt8() {
        case 0: self = .refused(try reader.readString(limit: Self.reasonBytesMax))
        case 1: self = .welcome(try JoinWelcome(from: &reader, hasDataKeys: false))
        case 2: self = .welcome(try JoinWelcome(from: &reader, hasDataKeys: true))
        default: throw .invalid("answer")
        }
        try reader.expectEnd()
    }
}

/// All that makes a directory one of this mesh.
package struct JoinWelcome: Sendable {
    package struct Contact: Hashable, Sendable {
        package let node: NodeID
        package let name: String
        package let endpoint: Endpoint

        package init(node: NodeID, name: String, endpoint: Endpoint) {
            self.node = node
            self.name = name
            self.endpoint = endpoint
        }
    }

    package static let contactsMax = 64
    private static let genesisBytesMax = 1 << 18
    private static let rosterBytesMax = 1 << 20
    private static let dataKeysBytesMax = 1 << 13

    /// The file, as every node has it.
    package let genesis: [UInt8]
    /// An encoded `RosterTable` that lists the new node.
    package let roster: [UInt8]
    package let epoch: UInt32
    package let secret: SecretBytes
    /// For a machine of class core.
    package let coreKey: CoreKey?
    /// For a machine of class core.
    package let dataKeys: DataKeys?
    /// Where members were found last.
    package let contacts: [Contact]

    package init(
        genesis: [UInt8], roster: [UInt8], epoch: UInt32, secret: SecretBytes, coreKey: CoreKey?, dataKeys: DataKeys?,
        contacts: [Contact]
    ) {
        self.dataKeys = dataKeys
        self.coreKey = coreKey
        self.genesis = genesis
        self.roster = roster
        self.epoch = epoch
        self.secret = secret
        self.contacts = contacts
    }

    init(from reader: inout ByteReader, hasDataKeys: Bool) throws(DecodeError) {
        genesis = try reader.readBlob(limit: Self.genesisBytesMax)
        roster = try reader.readBlob(limit: Self.rosterBytesMax)
        epoch = try reader.readUInt32()
        guard epoch > 0 else { throw .invalid("epoch") }
        var raw = try reader.readRaw(ClusterKey.secretByteCount)
        secret = SecretBytes(copying: raw)
        SecretBytes.erase(&raw)
        coreKey = try reader.readOptional { (reader) throws(DecodeError) in
            var raw = try reader.readRaw(CoreKey.byteCount)
            defer { SecretBytes.erase(&raw) }
            return CoreKey(SecretBytes(copying: raw))
        }
        contacts = try reader.readArray(limit: Self.contactsMax) { (reader) throws(DecodeError) in
            Contact(
                node: try reader.readNodeID(), name: try reader.readString(limit: JoinRequest.nameBytesMax),
                endpoint: try reader.readEndpoint())
        }
        guard hasDataKeys else {
            dataKeys = nil
            return
        }
        var file = try reader.readBlob(limit: Self.dataKeysBytesMax)
        defer { SecretBytes.erase(&file) }
        do throws(KeyFileError) { dataKeys = try DataKeys(keyFile: file) } catch { throw .invalid("data keys") }
    }
}
