import Csodium

/// Key material in memory of its own: between guard pages, kept out of swap and core dumps where the system allows it,
/// read-only once filled, zeroed when the last reference goes (libsodium, "Secure memory").
///
/// Ownership: the object owns its allocation from init to deinit, and nothing writes to it after init; sharing it
/// between threads is therefore safe.
package final class SecretBytes: @unchecked Sendable, CustomStringConvertible, CustomReflectable {
    private let memory: UnsafeMutableRawPointer
    package let count: Int

    private init(count: Int, filledBy fill: (UnsafeMutableRawBufferPointer) -> Void) {
        precondition(count > 0, "a secret of \(count) bytes")
        Sodium.start()
        guard let memory = sodium_malloc(count) else { fatalError("no guarded memory for \(count) secret bytes") }
        self.memory = memory
        self.count = count
        fill(UnsafeMutableRawBufferPointer(start: memory, count: count))
        sodium_mprotect_readonly(memory)
    }

    package convenience init(random count: Int, from entropy: inout some Entropy) {
        self.init(count: count) { entropy.fill($0) }
    }

    /// Copies; the caller's array is its own to erase (`SecretBytes.erase`).
    package convenience init(copying bytes: [UInt8]) {
        self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
    }

    /// Derives or computes in place, so that the secret never lies anywhere else.
    convenience init(count: Int, computedBy compute: (UnsafeMutablePointer<UInt8>) -> Void) {
        self.init(count: count) { buffer in
            // The buffer has `count` > 0 bytes, hence a base address.
            compute(buffer.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
    }

    deinit { sodium_free(memory) }

    package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        body(UnsafeRawBufferPointer(start: memory, count: count))
    }

    /// For C calls: valid while `self` is alive.
    var pointer: UnsafePointer<UInt8> { UnsafePointer(memory.assumingMemoryBound(to: UInt8.self)) }

    /// Takes the same time wherever the first difference is.
    package func equals(_ other: SecretBytes) -> Bool {
        count == other.count && sodium_memcmp(memory, other.memory, count) == 0
    }

    package var description: String { "<secret>" }
    package var customMirror: Mirror { Mirror(self, children: []) }

    /// Zeroes a buffer that held a secret. The compiler does not remove it.
    package static func erase(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { sodium_memzero($0.baseAddress, $0.count) }
        bytes.removeAll()
    }
}
