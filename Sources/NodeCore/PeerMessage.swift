import Primitives

/// What one brain asks another outside gossip and consensus: to propose on its behalf.
///
/// ```
/// forward  1 | attempt varint | envelope bytes (to the end)
/// refusal  2 | attempt varint
/// ```
enum PeerMessage: Hashable, Sendable {
    /// Append this command envelope. `attempt` is unique in the sender's process life.
    case forward(attempt: UInt64, envelope: [UInt8])
    /// The forwarded attempt was not appended, and will not be.
    case refusal(attempt: UInt64)

    func encode() -> [UInt8] {
        var writer: ByteWriter
        switch self {
        case .forward(let attempt, let envelope):
            writer = ByteWriter(capacity: 16 + envelope.count)
            writer.write(UInt8(1))
            writer.writeVarint(attempt)
            writer.writeRaw(envelope)
        case .refusal(let attempt):
            writer = ByteWriter(capacity: 16)
            writer.write(UInt8(2))
            writer.writeVarint(attempt)
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        switch try reader.readUInt8() {
        case 1: self = .forward(attempt: try reader.readVarint(), envelope: reader.readRest())
        case 2:
            self = .refusal(attempt: try reader.readVarint())
            try reader.expectEnd()
        default: throw .invalid("peer message kind")
        }
    }
}
