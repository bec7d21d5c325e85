import Primitives

/// What is decided about the mesh itself: more than a command, since who proposes a command is not proven to the others.
/// A node of class core signs it, over the cluster's id, the record, and the roster's revision that it was made for.
///
///     message = "meshnode roster record 1" | cluster 16 | revision 8 | record
///
/// Every node checks the signature when it applies the record, alike, so a stolen edge machine cannot change the roster even
/// while it leads. The revision makes each signature good for one place in the log: it is never applied twice, nor late.
package struct SignedRecord: Hashable, Sendable {
    package static let signatureByteCount = 64

    /// A core node.
    package let signer: NodeID
    /// The roster's revision before this record.
    package let revision: UInt64
    package let record: RosterRecord
    /// Ed25519 over `message`.
    package let signature: [UInt8]

    package init(signer: NodeID, revision: UInt64, record: RosterRecord, signature: [UInt8]) {
        precondition(signature.count == Self.signatureByteCount, "a signature of \(signature.count) bytes")
        self.signer = signer
        self.revision = revision
        self.record = record
        self.signature = signature
    }

    /// What is signed.
    package static func message(cluster: [UInt8], revision: UInt64, record: RosterRecord) -> [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.writeRaw(Array("meshnode roster record 1".utf8))
        writer.writeRaw(cluster)
        writer.write(revision)
        record.encode(into: &writer)
        return writer.bytes
    }
}

/// What can be decided about the mesh.
package enum RosterRecord: Hashable, Sendable {
    /// A new secret of the cluster. Needs `FeatureLevel.secrets`, with a data key `FeatureLevel.sealedValues`.
    case rotateSecret(SecretRotation)
    /// The others need `FeatureLevel.roster`. An invitation.
    case issueToken(JoinToken)
    case revokeToken(JoinTokenID)
    /// A machine joins with a token.
    case admit(Admission)
    /// A node is out, for ever: see `AuthorityState.change`.
    case revoke(NodeID)
}

/// A new secret: its fingerprint, and a copy for each node that is to hold it, sealed to that node. See `SecretTable`.
package struct SecretRotation: Hashable, Sendable {
    package struct Copy: Hashable, Sendable {
        package let node: NodeID
        package let sealed: [UInt8]

        package init(node: NodeID, sealed: [UInt8]) {
            self.node = node
            self.sealed = sealed
        }
    }

    package static let copiesMax = 64
    package static let sealedBytesMax = 128

    package let epoch: UInt32
    /// Tells whether a copy that opens is the secret that was meant.
    package let fingerprint: Bytes32
    /// Ascending by node.
    package let copies: [Copy]
    /// The data key of the same epoch; nil in rotations of older programs.
    package let dataKey: DataKeyRotation?

    package init(epoch: UInt32, fingerprint: Bytes32, copies: [Copy], dataKey: DataKeyRotation? = nil) {
        self.dataKey = dataKey
        self.epoch = epoch
        self.fingerprint = fingerprint
        self.copies = copies.sorted { $0.node < $1.node }
    }

    package func copy(for node: NodeID) -> Copy? { copies.first { $0.node == node } }
}

/// A new data key: a copy for each core node, and the older ones that are still needed, sealed under it.
package struct DataKeyRotation: Hashable, Sendable {
    package static let olderBytesMax = 2048

    /// Ascending by node.
    package let copies: [SecretRotation.Copy]
    package let older: [UInt8]

    package init(copies: [SecretRotation.Copy], older: [UInt8]) {
        self.copies = copies.sorted { $0.node < $1.node }
        self.older = older
    }

    package func copy(for node: NodeID) -> SecretRotation.Copy? { copies.first { $0.node == node } }
}

// MARK: - Coding

extension SignedRecord {
    func encode(into writer: inout ByteWriter) {
        writer.write(signer)
        writer.write(revision)
        writer.writeRaw(signature)
        record.encode(into: &writer)
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        signer = try reader.readNodeID()
        revision = try reader.readUInt64()
        signature = try reader.readRaw(Self.signatureByteCount)
        record = try RosterRecord(from: &reader)
    }
}

extension RosterRecord {
    /// One byte for the kind; never used again for something else.
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .rotateSecret(let rotation):
            writer.write(UInt8(rotation.dataKey == nil ? 1 : 6))
            rotation.encode(into: &writer)
        case .issueToken(let token):
            writer.write(UInt8(2))
            token.encode(into: &writer)
        case .revokeToken(let id):
            writer.write(UInt8(3))
            writer.write(id)
        case .admit(let admission):
            writer.write(UInt8(4))
            admission.encode(into: &writer)
        case .revoke(let node):
            writer.write(UInt8(5))
            writer.write(node)
        }
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.readUInt8() {
        case 1: self = .rotateSecret(try SecretRotation(from: &reader, hasDataKey: false))
        case 2: self = .issueToken(try JoinToken(from: &reader))
        case 3: self = .revokeToken(try reader.readIdentifier(of: JoinToken.self))
        case 4: self = .admit(try Admission(from: &reader))
        case 5: self = .revoke(try reader.readNodeID())
        case 6: self = .rotateSecret(try SecretRotation(from: &reader, hasDataKey: true))
        default: throw .invalid("roster record")
        }
    }
}

extension SecretRotation {
    func encode(into writer: inout ByteWriter) {
        writer.write(epoch)
        writer.write(fingerprint)
        writer.write(copies)
        guard let dataKey else { return }
        writer.write(dataKey.copies)
        writer.write(dataKey.older)
    }

    /// What comes before it says whether there is a data key.
    init(from reader: inout ByteReader, hasDataKey: Bool) throws(DecodeError) {
        epoch = try reader.readUInt32()
        fingerprint = try reader.readBytes32()
        copies = try reader.readCopies()
        dataKey =
            try hasDataKey
            ? DataKeyRotation(
                copies: reader.readCopies(), older: reader.readBlob(limit: DataKeyRotation.olderBytesMax)) : nil
    }
}
