import Gossip
import Primitives
import Raft
import SecureChannel

// How what the cores say reaches another node: by datagram or stream, sealed, and around a broken link.

extension NodeBrain {
    /// The replica that speaks stands at the end: a node may have been another one before.
    func encodeRaft(_ message: RaftMessage) -> [UInt8] {
        var writer = ByteWriter(capacity: message.encodedBytesEstimate + 8)
        RaftMessage.write(message, to: &writer)
        writer.write(consensus.replica)
        return writer.bytes
    }

    package static func decodeRaft(_ payload: [UInt8]) throws(DecodeError) -> (ReplicaID, RaftMessage) {
        guard payload.count >= 8 else { throw .truncated }
        var reader = ByteReader(payload, from: payload.count - 8)
        return (try reader.readReplicaID(), try RaftMessage.decode(payload, before: payload.count - 8))
    }

    func endpoint(of node: NodeID) -> Endpoint? {
        membership.endpoint(of: node) ?? timing.contactEndpoint(of: node)
    }

    /// By datagram where it fits one, else by stream; and around the direct link if that is silent, which is returned.
    @discardableResult
    mutating func send(
        _ payload: [UInt8], kind: FrameKind, to node: NodeID, mayGoAround: Bool = true, now: Instant,
        into effects: inout [NodeEffect]
    ) -> Bool {
        guard let endpoint = endpoint(of: node) else { return false }
        var frame: [UInt8]?
        if payload.count + sealer.overhead <= NodeTiming.datagramBytesMax {
            frame = transmit(payload, kind: kind, to: node, at: endpoint, now: now, into: &effects)
            // A frame that waits goes wherever the handshake finds a way.
            if frame == nil { return mayGoAround && isSilent(node, at: now) }
        } else {
            effects.append(.sendStream(payload, kind: kind, to: node, at: endpoint))
        }
        guard mayGoAround, let place = roster.place(of: node) else { return false }
        return sendAround(frame, to: place, now: now, into: &effects)
    }

    /// Seals and sends to where the peer was proven to receive, or else to `endpoint`. Returns the frame; nil if it waits
    /// for a session.
    @discardableResult
    mutating func transmit(
        _ payload: [UInt8], kind: FrameKind, to node: NodeID, at endpoint: Endpoint, now: Instant,
        into effects: inout [NodeEffect]
    ) -> [UInt8]? {
        let frame = sealer.seal(payload, kind: kind, to: node, now: now)
        if let frame {
            counters.sentDatagrams += 1
            effects.append(.sendDatagram(frame, to: sealer.path(to: node) ?? endpoint))
        }
        if sealer.hasOutbox { sendOutbox(calling: (node, endpoint), now: now, into: &effects) }
        return frame
    }
}
