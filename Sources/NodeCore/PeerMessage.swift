import Primitives
import Raft

/// What one brain tells another outside gossip and consensus: what to propose on its behalf, commands and removals of
/// nodes, and events that nobody keeps.
///
/// ```
/// forward  1 | count | ( attempt varint | envelope length, bytes ) ...
/// refusal  2 | attempt varint
/// removal  3 | node 16
/// removed  4 | node 16
/// event    5 | topic | author | bytes
/// ```
package enum PeerMessage: Hashable, Sendable {
    /// Append these, in this order.
    case forward([Forwarded])
    /// The forwarded attempt was not appended, and will not be.
    case refusal(attempt: UInt64)
    /// Take this node out of the configuration.
    case removal(of: NodeID)
    /// The committed configuration does not contain it.
    case removed(NodeID)
    case broadcast(Broadcast)

    package struct Forwarded: Hashable, Sendable {
        /// Unique in the sender's process life.
        package let attempt: UInt64
        /// An encoded `CommandEnvelope`.
        package let envelope: [UInt8]

        package init(attempt: UInt64, envelope: [UInt8]) {
            self.attempt = attempt
            self.envelope = envelope
        }
    }

    /// More in one message are refused by the decoder.
    static let forwardCountMax = 64

    package func encode() -> [UInt8] {
        var writer: ByteWriter
        switch self {
        case .forward(let forwarded):
            writer = ByteWriter(capacity: forwarded.reduce(8) { $0 + 16 + $1.envelope.count })
            writer.write(UInt8(1))
            writer.writeArray(forwarded) {
                $0.writeVarint($1.attempt)
                $0.write($1.envelope)
            }
        case .refusal(let attempt):
            writer = ByteWriter(capacity: 16)
            writer.write(UInt8(2))
            writer.writeVarint(attempt)
        case .removal(let node):
            writer = ByteWriter(capacity: 17)
            writer.write(UInt8(3))
            writer.write(node)
        case .removed(let node):
            writer = ByteWriter(capacity: 17)
            writer.write(UInt8(4))
            writer.write(node)
        case .broadcast(let event):
            writer = ByteWriter(capacity: event.bytes.count + 200)
            writer.write(UInt8(5))
            event.encode(into: &writer)
        }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        switch try reader.readUInt8() {
        case 1:
            self = .forward(
                try reader.readArray(limit: Self.forwardCountMax) { (reader) throws(DecodeError) in
                    Forwarded(
                        attempt: try reader.readVarint(),
                        envelope: try reader.readBlob(limit: RaftMessage.payloadBytesMax))
                })
        case 2: self = .refusal(attempt: try reader.readVarint())
        case 3: self = .removal(of: try reader.readNodeID())
        case 4: self = .removed(try reader.readNodeID())
        case 5: self = .broadcast(try Broadcast(from: &reader))
        default: throw .invalid("peer message kind")
        }
        try reader.expectEnd()
    }
}
