import Primitives
import SecureChannel

/// Frames without cryptography, for simulations only: sealing alone would cost most of the simulator's speed. It keeps
/// what the brain may rely on: a frame names its true sender and opens at its recipient alone.
///
/// ```
/// kind 1 | sender 16 | recipient 16 | payload
/// ```
struct ClearFrameSealer: FrameSealer {
    let me: NodeID
    var overhead: Int { 33 }

    mutating func seal(_ payload: [UInt8], kind: FrameKind, to recipient: NodeID) -> [UInt8] {
        var writer = ByteWriter(capacity: payload.count + overhead)
        writer.write(kind.rawValue)
        writer.write(me)
        writer.write(recipient)
        writer.writeRaw(payload)
        return writer.bytes
    }

    mutating func open(_ frame: [UInt8]) throws(FrameRejection) -> OpenedFrame {
        var reader = ByteReader(frame)
        guard let rawKind = try? reader.readUInt8(), let kind = FrameKind(rawValue: rawKind),
            let sender = try? reader.readNodeID(), let recipient = try? reader.readNodeID()
        else { throw .malformed }
        guard recipient == me else { throw .misdirected }
        guard sender != me else { throw .echoed }
        return OpenedFrame(
            peer: AuthenticatedPeer(node: sender, assurance: .unproven), kind: kind, payload: reader.readRest())
    }
}
