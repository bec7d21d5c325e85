import Primitives
import SecureChannel

/// Frames without cryptography, for simulations only: sealing alone would cost most of the simulator's speed. It keeps
/// what the brain may rely on: a frame names its true sender, opens at its recipient alone, and opens once.
///
/// ```
/// kind 1 | sender 16 | recipient 16 | boot epoch 8 | counter 8 | payload
/// ```
struct ClearFrameSealer: FrameSealer {
    private struct Sender: Sendable {
        let node: NodeID
        var bootEpoch: UInt64
        var window = ReplayWindow()
    }

    private static let headerBytes = 49

    let me: NodeID
    let bootEpoch: UInt64
    private var counter: UInt64 = 0
    private var senders: [Sender] = []

    init(me: NodeID, bootEpoch: UInt64) {
        self.me = me
        self.bootEpoch = bootEpoch
    }

    var overhead: Int { Self.headerBytes }

    mutating func seal(_ payload: [UInt8], kind: FrameKind, to recipient: NodeID) -> [UInt8] {
        counter += 1
        var writer = ByteWriter(capacity: payload.count + overhead)
        writer.write(kind.rawValue)
        writer.write(me)
        writer.write(recipient)
        writer.write(bootEpoch)
        writer.write(counter)
        writer.writeRaw(payload)
        return writer.bytes
    }

    mutating func open(_ frame: [UInt8]) throws(FrameRejection) -> OpenedFrame {
        var reader = ByteReader(frame)
        guard let rawKind = try? reader.readUInt8(), let kind = FrameKind(rawValue: rawKind),
            let sender = try? reader.readNodeID(), let recipient = try? reader.readNodeID(),
            let bootEpoch = try? reader.readUInt64(), let counter = try? reader.readUInt64()
        else { throw .malformed }
        guard recipient == me else { throw .misdirected }
        guard sender != me else { throw .echoed }
        guard accept(sender, bootEpoch: bootEpoch, counter: counter) else { throw .replayed }
        return OpenedFrame(
            peer: AuthenticatedPeer(node: sender, assurance: .unproven), kind: kind, payload: reader.readRest())
    }

    private mutating func accept(_ node: NodeID, bootEpoch: UInt64, counter: UInt64) -> Bool {
        for place in senders.indices where senders[place].node == node {
            if bootEpoch > senders[place].bootEpoch { senders[place] = Sender(node: node, bootEpoch: bootEpoch) }
            return bootEpoch == senders[place].bootEpoch && senders[place].window.accept(counter)
        }
        senders.append(Sender(node: node, bootEpoch: bootEpoch))
        return senders[senders.count - 1].window.accept(counter)
    }
}
