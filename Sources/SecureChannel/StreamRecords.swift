/// The record layer of a stream: one key and one counter a direction. Messages are cut into records of at most
/// `contentByteCountMax` bytes and put together again.
///
/// The counter is the nonce, so a lost, repeated or swapped record does not open.
/// At one record a nanosecond it would wrap after 584 years.
struct StreamRecords: Sendable {
    /// 16 KiB, as in TLS: large enough that the tag costs nothing, small enough to hold while it arrives.
    static let contentByteCountMax = 16 << 10
    private static let lengthByteCount = 2

    private let sendKey: SecretBytes
    private let receiveKey: SecretBytes
    private var sendCounter: UInt64 = 0
    private var receiveCounter: UInt64 = 0
    /// The records of a message whose last one has not arrived.
    private var partial: [UInt8] = []

    init(sendKey: SecretBytes, receiveKey: SecretBytes) {
        self.sendKey = sendKey
        self.receiveKey = receiveKey
    }

    /// Records that carry `message`; an empty message is one empty record.
    mutating func seal(_ message: [UInt8]) -> [UInt8] {
        let recordCount = max(1, (message.count + Self.contentByteCountMax - 1) / Self.contentByteCountMax)
        let overhead = Self.lengthByteCount + 1 + ChaChaPoly.tagByteCount
        var bytes: [UInt8] = []
        bytes.reserveCapacity(message.count + recordCount * overhead)
        for record in 0..<recordCount {
            let start = record * Self.contentByteCountMax
            let content = message[start..<min(start + Self.contentByteCountMax, message.count)]
            appendRecord(content, isLast: record == recordCount - 1, to: &bytes)
        }
        return bytes
    }

    /// Opens the record at `offset`; a message that it completes is appended. Returns the record's size on the wire,
    /// or nil if it has not arrived completely.
    mutating func open(
        _ bytes: [UInt8], at offset: Int, into messages: inout [[UInt8]]
    ) throws(StreamRejection) -> Int? {
        let available = bytes.count - offset - Self.lengthByteCount
        guard available >= 0 else { return nil }
        let sealedCount = Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
        guard sealedCount <= 1 + Self.contentByteCountMax + ChaChaPoly.tagByteCount else { throw .tooLong }
        guard sealedCount > ChaChaPoly.tagByteCount else { throw .unauthentic }
        guard available >= sealedCount else { return nil }
        let plaintext = try decrypt(bytes, at: offset, sealedCount: sealedCount)
        guard partial.count + plaintext.count - 1 <= StreamChannel.messageByteCountMax else { throw .tooLong }
        partial += plaintext.dropFirst()
        switch plaintext[0] {
        case 0: break
        case 1:
            messages.append(partial)
            partial = []
        default: throw .unauthentic
        }
        return Self.lengthByteCount + sealedCount
    }

    private mutating func appendRecord(_ content: ArraySlice<UInt8>, isLast: Bool, to bytes: inout [UInt8]) {
        let sealedCount = 1 + content.count + ChaChaPoly.tagByteCount
        let start = bytes.count
        bytes += [UInt8(sealedCount >> 8), UInt8(sealedCount & 0xFF), isLast ? 1 : 0]
        bytes += content
        bytes += repeatElement(0, count: ChaChaPoly.tagByteCount)
        bytes.withUnsafeMutableBufferPointer { buffer in
            // The record was appended just now, hence a base address.
            let length = buffer.baseAddress! + start
            ChaChaPoly.seal(
                length + Self.lengthByteCount, count: 1 + content.count,
                associated: UnsafeBufferPointer(start: length, count: Self.lengthByteCount), counter: sendCounter,
                key: sendKey.pointer)
        }
        sendCounter += 1
    }

    private mutating func decrypt(
        _ bytes: [UInt8], at offset: Int, sealedCount: Int
    ) throws(StreamRejection) -> [UInt8] {
        var opened = false
        let plaintext = [UInt8](count: sealedCount - ChaChaPoly.tagByteCount) { output in
            bytes.withUnsafeBufferPointer { buffer in
                let content = offset + Self.lengthByteCount
                opened = ChaChaPoly.open(
                    UnsafeBufferPointer(rebasing: buffer[content..<content + sealedCount]), into: output,
                    associated: UnsafeBufferPointer(rebasing: buffer[offset..<content]), counter: receiveCounter,
                    key: receiveKey.pointer)
            }
        }
        guard opened else { throw .unauthentic }
        receiveCounter += 1
        return plaintext
    }
}
