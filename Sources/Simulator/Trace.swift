import Primitives

/// A running hash over everything that happened: two runs of one seed that differ anywhere differ here.
/// FNV-1a with 64-bit words (Fowler, Noll, Vo), so that it costs little.
package struct Trace: Sendable {
    package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    package private(set) var eventCount = 0
    /// Kept only when a person wants to read them.
    package private(set) var lines: [String] = []
    private let keepsLines: Bool

    package init(keepsLines: Bool) {
        self.keepsLines = keepsLines
    }

    mutating func record(_ kind: UInt64, node: Int, at time: Instant, bytes: [UInt8] = []) {
        eventCount += 1
        mix(UInt64(bitPattern: time.nanoseconds))
        mix(kind << 32 | UInt64(node) << 24 | UInt64(bytes.count))
        mix(bytes)
    }

    /// Of these bytes alone.
    static func digest(_ bytes: [UInt8]) -> UInt64 {
        var trace = Trace(keepsLines: false)
        trace.mix(bytes)
        return trace.hash
    }

    private mutating func mix(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { raw in
            var offset = 0
            while offset + 8 <= raw.count {
                mix(UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
                offset += 8
            }
            var rest: UInt64 = 0
            while offset < raw.count {
                rest = rest << 8 | UInt64(raw[offset])
                offset += 1
            }
            mix(rest)
        }
    }

    mutating func note(at time: Instant, _ text: @autoclosure () -> String) {
        if keepsLines { lines.append("\(Self.stamp(time))  \(text())") }
    }

    private mutating func mix(_ word: UInt64) {
        hash = (hash ^ word) &* 0x0000_0100_0000_01B3
        hash ^= hash >> 29
    }

    /// Seconds with milliseconds, right-aligned.
    static func stamp(_ time: Instant) -> String {
        let milliseconds = time.nanoseconds / 1_000_000
        let fraction = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
    }
}
