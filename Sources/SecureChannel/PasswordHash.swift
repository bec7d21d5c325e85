import Csodium

/// Argon2id (RFC 9106) in libsodium's self-describing text form. Blocks for tens of milliseconds and takes the whole
/// memory budget while it runs: call it off the loop, a bounded number at a time.
package enum PasswordHash {
    package struct Limits: Hashable, Sendable {
        /// Passes over the memory. More costs time, for us and for whoever guesses.
        package let operations: UInt64
        /// Bytes held while hashing; what makes guessing on GPUs expensive.
        package let memoryBytes: Int

        package init(operations: UInt64, memoryBytes: Int) {
            self.operations = operations
            self.memoryBytes = memoryBytes
        }

        /// OWASP's first choice: 19 MiB, two passes; about 17 ms a login.
        package static let standard = Limits(operations: 2, memoryBytes: 19 << 20)
        /// The least that libsodium accepts: tests only.
        package static let minimal = Limits(operations: 1, memoryBytes: 8192)
    }

    /// The system had not the memory that the limits ask for. Nothing changed; answer "try again later".
    package struct OutOfMemory: Error, Equatable, Sendable {}

    package static func make(_ password: String, limits: Limits = .standard) throws(OutOfMemory) -> String {
        Sodium.start()
        var text = [CChar](repeating: 0, count: Int(crypto_pwhash_STRBYTES))
        let secret = Array(password.utf8CString)
        guard
            crypto_pwhash_str(&text, secret, UInt64(secret.count - 1), limits.operations, limits.memoryBytes) == 0
        else { throw OutOfMemory() }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// False for a wrong password and for text that is no hash.
    package static func verify(_ password: String, against hash: String) -> Bool {
        Sodium.start()
        // libsodium reads exactly its fixed length: longer or shorter text is padded or refused here.
        guard hash.utf8.count < Int(crypto_pwhash_STRBYTES) else { return false }
        var text = Array(hash.utf8CString)
        text += Array(repeating: 0, count: Int(crypto_pwhash_STRBYTES) - text.count)
        let secret = Array(password.utf8CString)
        return crypto_pwhash_str_verify(text, secret, UInt64(secret.count - 1)) == 0
    }
}
