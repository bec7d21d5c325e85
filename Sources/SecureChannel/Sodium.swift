import Csodium

/// The library's own state, and the text form of random tokens.
enum Sodium {
    private static let started: Int32 = sodium_init()

    /// Safe to call from any thread, any number of times. Without a working generator nothing here may go on.
    static func start() {
        precondition(started >= 0, "libsodium could not be initialised (sodium_init answered \(started))")
    }

    /// Base64url without padding (RFC 4648 §5).
    static func base64URL(_ bytes: [UInt8]) -> String {
        let variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING
        // One byte more than the text: the terminating zero.
        let capacity = sodium_base64_encoded_len(bytes.count, variant)
        var text = [CChar](repeating: 0, count: capacity)
        sodium_bin2base64(&text, capacity, bytes, bytes.count, variant)
        return String(decoding: text.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension Sodium {
    /// Nil for anything but base64url without padding, and in the one way that it is written.
    static func decodeBase64URL(_ text: String) -> [UInt8]? {
        let source = Array(text.utf8).map { CChar(bitPattern: $0) }
        var length = 0
        var isRead = false
        let bytes = [UInt8](count: source.count) { output in
            isRead =
                sodium_base642bin(
                    output, source.count, source, source.count, nil, &length, nil,
                    sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0
        }
        return isRead ? Array(bytes.prefix(length)) : nil
    }
}

extension [UInt8] {
    /// An array whose `count` bytes `write` puts in place: one allocation, no zeroing, always with an address.
    init(count: Int, writtenBy write: (UnsafeMutablePointer<UInt8>) -> Void) {
        self.init(unsafeUninitializedCapacity: Swift.max(count, 1)) { buffer, filled in
            // At least one byte was asked for, hence a base address.
            write(buffer.baseAddress!)
            filled = count
        }
    }
}
