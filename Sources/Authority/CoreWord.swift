import Primitives

/// A core node's signature over one command, behind it in the log: who may sign in, with what, and by which keys tokens are
/// verified is decided where passwords are checked, and not by whoever leads.
///
///     message = "meshnode command 1" | cluster 16 | envelope
///     entry   = envelope | signer 16 | signature 64
///
/// Every node checks it when it applies the entry, alike, so a stolen edge machine cannot sign anybody in, even while it
/// leads and writes the log. The envelope's client and sequence are signed along: the word is good for one entry, since
/// `ClientTable` never runs a command twice.
package struct CoreWord: Hashable, Sendable {
    package static let byteCount = 16 + SignedRecord.signatureByteCount

    let signer: NodeID
    let signature: [UInt8]

    /// `envelope` with this node's word behind it.
    package static func append(
        to envelope: [UInt8], cluster: [UInt8], signer: NodeID, sign: (_ message: [UInt8]) -> [UInt8]
    ) -> [UInt8] {
        let signature = sign(message(cluster: cluster, envelope: envelope[...]))
        precondition(signature.count == SignedRecord.signatureByteCount, "a signature of \(signature.count) bytes")
        var writer = ByteWriter(capacity: envelope.count + byteCount)
        writer.writeRaw(envelope)
        writer.write(signer)
        writer.writeRaw(signature)
        return writer.bytes
    }

    /// Nil if the entry is too short to end in one.
    init?(endOf entry: [UInt8]) {
        var reader = ByteReader(Array(entry.suffix(Self.byteCount)))
        guard let signer = try? reader.readNodeID(),
            let signature = try? reader.readRaw(SignedRecord.signatureByteCount)
        else { return nil }
        self.signer = signer
        self.signature = signature
    }

    /// Whether a core node of this mesh gave it, for this entry.
    func isGenuine(on entry: [UInt8], roster: RosterTable, origin: MeshOrigin) -> Bool {
        guard let member = roster.members(of: origin).first(where: { $0.node == signer }), member.isCore else {
            return false
        }
        let message = Self.message(cluster: origin.cluster, envelope: entry.dropLast(Self.byteCount))
        return origin.check(signature, message, member.signingKey.bytes)
    }

    private static func message(cluster: [UInt8], envelope: ArraySlice<UInt8>) -> [UInt8] {
        Array("meshnode command 1".utf8) + cluster + envelope
    }
}

extension AuthorityCommand {
    /// Whether it makes somebody able to sign in, or tokens count. Taking that away needs no word: who is kept out
    /// wrongly signs in anew.
    package var needsCoreWord: Bool {
        switch self {
        case .createUser, .setPassword, .setRole, .removeUser, .grantSession, .rotateRefresh, .createAPIKey,
            .publishSigningKey:
            true
        case .revokeSession, .revokeAllSessions, .expireSessions, .revokeAPIKey, .retireSigningKey, .putValue,
            .deleteValue, .acquireLock, .renewLock, .releaseLock, .expireLocks, .anchorClock, .changeRoster,
            .activateSecret, .retireSecrets, .publishEvent, .putSealedValue, .resealValue:
            false
        }
    }
}
