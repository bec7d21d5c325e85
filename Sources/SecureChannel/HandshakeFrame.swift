import Primitives

/// The frames that make a session. Integers are little-endian; every length is fixed.
///
///     initiation 153   | 0x11 | e 32 | static 48 | payload 40 | code 16 | cookie code 16 |
///     response    73   | 0x12 | receiver 4 | e 32 | payload 20 | code 16 |
///     cookie      65   | 0x13 | first of code 8 | nonce 24 | sealed cookie 32 |
///     transport        | 0x14 | receiver 4 | counter 8 | sealed: kind 1, payload | tag 16 |
///
/// `e`, `static` and `payload` are the Noise messages of IKpsk2. What answers is smaller than what asked: 0.48 and 0.42
/// of it. The initiation's payload is a stamp and names key epoch and session index; the response's is an index.
enum HandshakeFrame {
    enum Kind: UInt8 {
        case initiation = 0x11
        case response = 0x12
        case cookie = 0x13
        case transport = 0x14
    }

    static let codeByteCount = 16
    static let initiationByteCount = 153
    static let responseByteCount = 73
    static let cookieByteCount = 65
    /// Where the code of an initiation stands; it covers everything before it.
    static let initiationCodeOffset = initiationByteCount - 2 * codeByteCount
    static let responseCodeOffset = responseByteCount - codeByteCount
    /// Type and receiver index in front of the response's Noise message.
    static let responseHeaderByteCount = 5

    static func code(_ bytes: some Sequence<UInt8>, key: [UInt8]) -> [UInt8] {
        Blake2b.keyed(Array(bytes), publicKey: key, byteCount: codeByteCount)
    }

    /// Whether the code at `offset` is that of everything before it.
    static func hasCode(_ frame: [UInt8], at offset: Int, key: [UInt8]) -> Bool {
        constantTimeEquals(Array(frame[offset..<offset + codeByteCount]), code(frame[..<offset], key: key))
    }

    static func receiver(of frame: [UInt8]) -> UInt32 {
        frame.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 1, as: UInt32.self)) }
    }
}

/// Says that a handshake is newer than another of the same node: how often it was started, and a count within that life.
/// No clock is involved, so none that was set forward can lock a node out.
struct HandshakeStamp: Hashable, Comparable, Sendable {
    let bootEpoch: UInt64
    let counter: UInt64

    static let none = HandshakeStamp(bootEpoch: 0, counter: 0)

    static func < (a: HandshakeStamp, b: HandshakeStamp) -> Bool {
        (a.bootEpoch, a.counter) < (b.bootEpoch, b.counter)
    }
}

/// What an initiation carries, sealed. No application data.
struct InitiationPayload: Hashable, Sendable {
    static let byteCount = 24

    let stamp: HandshakeStamp
    let epoch: UInt32
    let index: UInt32

    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: Self.byteCount)
        writer.write(stamp.bootEpoch)
        writer.write(stamp.counter)
        writer.write(epoch)
        writer.write(index)
        return writer.bytes
    }
}

extension InitiationPayload {
    init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        stamp = HandshakeStamp(bootEpoch: try reader.readUInt64(), counter: try reader.readUInt64())
        epoch = try reader.readUInt32()
        index = try reader.readUInt32()
        try reader.expectEnd()
    }
}
