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
        let place = mayGoAround ? roster.place(of: node) : nil
        guard payload.count + sealer.overhead <= NodeTiming.datagramBytesMax else {
            if let place, noteSent(to: place, at: now) {
                sendBulkAround(payload, kind: kind, to: place, at: endpoint, now: now, into: &effects)
                return true
            }
            effects.append(.sendStream(payload, kind: kind, to: node, at: endpoint))
            return false
        }
        // A frame that waits for a session goes wherever the handshake finds a way.
        guard let frame = transmit(payload, kind: kind, to: node, at: endpoint, now: now, into: &effects) else {
            return mayGoAround && isSilent(node, at: now)
        }
        guard let place, noteSent(to: place, at: now) else { return false }
        sendAround(frame, to: place, now: now, into: &effects)
        return true
    }

    /// Whether the link is silent on which something was just sent.
    private mutating func noteSent(to place: Int, at now: Instant) -> Bool {
        links.noteSent(place, at: now)
        return links.isSilent(place, after: timing.electionTimeout, at: now)
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
