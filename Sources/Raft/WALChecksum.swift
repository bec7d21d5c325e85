/// CRC-32C (Castagnoli, 1993; parameters as in RFC 3720 §12.1), eight bytes at a time (Kounavis and Berry,
/// "A Systematic Approach to Building High Performance Software-Based CRC Generators", 2005).
///
/// Detects every error of one to three bits and every burst of up to 32 bits in a record. It is no defence against
/// someone who writes to the disk on purpose.
enum WALChecksum {
    private static let polynomial: UInt32 = 0x82F6_3B78

    /// Eight tables of 256: `tables[256 * k + b]` advances byte `b` past k zero bytes.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ polynomial : crc >> 1 }
            tables[byte] = crc
        }
        for place in 256..<tables.count {
            let crc = tables[place - 256]
            tables[place] = crc >> 8 ^ tables[Int(crc & 0xFF)]
        }
        return tables
    }()

    /// The checksum of `bytes[range]`, continued from `seed` (0, or the checksum of what comes before).
    static func crc32c(_ bytes: [UInt8], _ range: Range<Int>, seed: UInt32 = 0) -> UInt32 {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "\(range) is not within the bytes")
        let tables = Self.tables
        var crc = ~seed
        var position = range.lowerBound
        while position + 8 <= range.upperBound {
            let eight = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: UInt64.self) }
            let word = UInt64(littleEndian: eight) ^ UInt64(crc)
            crc = tables[1792 + Int(word & 0xFF)] ^ tables[1536 + Int(word >> 8 & 0xFF)]
            crc ^= tables[1280 + Int(word >> 16 & 0xFF)] ^ tables[1024 + Int(word >> 24 & 0xFF)]
            crc ^= tables[768 + Int(word >> 32 & 0xFF)] ^ tables[512 + Int(word >> 40 & 0xFF)]
            crc ^= tables[256 + Int(word >> 48 & 0xFF)] ^ tables[Int(word >> 56)]
            position += 8
        }
        while position < range.upperBound {
            crc = crc >> 8 ^ tables[Int((crc ^ UInt32(bytes[position])) & 0xFF)]
            position += 1
        }
        return ~crc
    }

    static func crc32c(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
        crc32c(bytes, 0..<bytes.count, seed: seed)
    }
}
