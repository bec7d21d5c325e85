import Primitives

/// Which secrets of the cluster are in use, by epoch. The secrets themselves are never here, only what each node can open of
/// the newest (`SecretRotation`).
///
///     rotateSecret(n + 1) --> install: nodes open their copies, keep them, and say so
///     activateSecret      --> every reachable node holds it: handshakes begin with it, the old one is still answered
///     retireSecrets       --> every reachable node begins with it: the old one gets nothing but the new one
///
/// A rotation that comes before the last one was activated takes its place: revoking a node does not wait.
package struct SecretTable: Hashable, Sendable {
    /// Handshakes begin with this.
    package private(set) var active: UInt32 = 1
    /// Handshakes under this and later ones are answered fully.
    package private(set) var oldest: UInt32 = 1
    /// The newest, whether it is active already or not; nil while the secret is the one that the mesh began with.
    package private(set) var rotation: SecretRotation?

    package var newest: UInt32 { rotation?.epoch ?? active }
    package var isInstalling: Bool { newest > active }
    package var isRetiring: Bool { oldest < active }

    mutating func rotate(_ rotation: SecretRotation) -> AuthorityReply {
        guard rotation.epoch == newest + 1, newest < .max - 1, !rotation.copies.isEmpty,
            rotation.dataKey.map({ !$0.copies.isEmpty }) ?? true
        else {
            return .refused(.malformed)
        }
        self.rotation = rotation
        return .done
    }

    mutating func activate(_ epoch: UInt32) -> AuthorityReply {
        guard isInstalling, epoch == newest else { return .refused(.unknownKey) }
        active = epoch
        return .done
    }

    mutating func retire(before epoch: UInt32) -> AuthorityReply {
        guard isRetiring, epoch == active else { return .refused(.unknownKey) }
        oldest = epoch
        return .done
    }

    func violation() -> String? {
        guard oldest >= 1, oldest <= active, active <= newest else {
            return "epochs of the secret: oldest \(oldest), active \(active), newest \(newest)"
        }
        return active > 1 && rotation == nil ? "the secret is of epoch \(active), and nobody has a copy" : nil
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(active)
        writer.write(oldest)
        // 0: none, 1: without a data key, 2: with one.
        writer.write(UInt8(rotation.map { $0.dataKey == nil ? 1 : 2 } ?? 0))
        rotation?.encode(into: &writer)
    }

    init() {}

    init(from reader: inout ByteReader) throws(DecodeError) {
        active = try reader.readUInt32()
        oldest = try reader.readUInt32()
        switch try reader.readUInt8() {
        case 0: rotation = nil
        case let kind where kind <= 2: rotation = try SecretRotation(from: &reader, hasDataKey: kind == 2)
        default: throw .invalid("rotation")
        }
    }
}
