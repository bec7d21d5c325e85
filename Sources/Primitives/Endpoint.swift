/// An IP address and port. IPv4 is held as an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2), so one form serves both.
package struct Endpoint: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The 16 address bytes as two big-endian words.
    package let high: UInt64
    package let low: UInt64
    package let port: UInt16

    package init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    package init(ipv4 a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, port: UInt16) {
        let word = UInt64(a) << 24 | UInt64(b) << 16 | UInt64(c) << 8 | UInt64(d)
        self.init(high: 0, low: 0xFFFF_0000_0000 | word, port: port)
    }

    package var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// 127.0.0.0/8 or ::1.
    package var isLoopback: Bool { isIPv4 ? (low >> 24) & 0xFF == 127 : high == 0 && low == 1 }

    /// The numeric address without the port.
    package var host: String {
        if isIPv4 {
            return (0..<4).map { String((low >> (24 - 8 * UInt64($0))) & 0xFF) }.joined(separator: ".")
        }
        return Self.compress(groups)
    }

    package var description: String { isIPv4 ? "\(host):\(port)" : "[\(host)]:\(port)" }

    package static func < (a: Endpoint, b: Endpoint) -> Bool {
        (a.high, a.low, a.port) < (b.high, b.low, b.port)
    }

    /// Parses `192.0.2.1:7946` or `[2001:db8::1]:7946`. Names are not resolved here; returns nil for anything else.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let host = text[..<colon]
        let digits = text[text.index(after: colon)...]
        // Without brackets the end of an IPv6 address could be taken for a port. `UInt16` alone would accept "+80".
        guard !host.contains(":") || host.hasPrefix("["), digits.utf8.allSatisfy({ (48...57).contains($0) }),
            let port = UInt16(digits)
        else { return nil }
        self.init(host: String(host), port: port)
    }

    /// Parses a numeric host, IPv6 with or without brackets.
    package init?(host: String, port: UInt16) {
        if let address = Self.parseIPv4(host) {
            self.init(high: 0, low: 0xFFFF_0000_0000 | address, port: port)
            return
        }
        var text = Substring(host)
        if text.hasPrefix("["), text.hasSuffix("]") { text = text.dropFirst().dropLast() }
        guard let groups = Self.parseIPv6(text) else { return nil }
        let words = groups.map(UInt64.init)
        self.init(
            high: words[0] << 48 | words[1] << 32 | words[2] << 16 | words[3],
            low: words[4] << 48 | words[5] << 32 | words[6] << 16 | words[7], port: port)
    }

    private var groups: [UInt16] {
        (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> (48 - 16 * UInt64($0 % 4))) }
    }

    private static func parseIPv4(_ text: String) -> UInt64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var word: UInt64 = 0
        for part in parts {
            // A leading zero means octal to some readers (RFC 6943 §3.1.1).
            guard part == "0" || !part.hasPrefix("0"), part.utf8.allSatisfy({ (48...57).contains($0) }),
                let byte = UInt8(part)
            else { return nil }
            word = word << 8 | UInt64(byte)
        }
        return word
    }

    private static func parseIPv6(_ text: Substring) -> [UInt16]? {
        func parse(_ part: Substring) -> [UInt16]? {
            if part.isEmpty { return [] }
            var result: [UInt16] = []
            for group in part.split(separator: ":", omittingEmptySubsequences: false) {
                guard (1...4).contains(group.count), !group.hasPrefix("+"), let value = UInt16(group, radix: 16) else {
                    return nil
                }
                result.append(value)
            }
            return result
        }
        guard let gap = text.utf8.indices.first(where: { text.utf8[$0...].starts(with: "::".utf8) }) else {
            guard let all = parse(text), all.count == 8 else { return nil }
            return all
        }
        guard let left = parse(text[..<gap]), let right = parse(text[gap...].dropFirst(2)),
            left.count + right.count < 8
        else { return nil }
        return left + Array(repeating: 0, count: 8 - left.count - right.count) + right
    }

    /// RFC 5952 §4.2: the longest run of at least two zero groups becomes "::".
    private static func compress(_ groups: [UInt16]) -> String {
        var best = 0..<0
        var start = 0
        while start < groups.count {
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = max(end, start + 1)
        }
        let text = { (range: Range<Int>) in
            groups[range].map { String($0, radix: 16) }.joined(separator: ":")
        }
        return best.isEmpty ? text(0..<8) : text(0..<best.lowerBound) + "::" + text(best.upperBound..<8)
    }
}

extension ByteWriter {
    package mutating func write(_ endpoint: Endpoint) {
        write(endpoint.high)
        write(endpoint.low)
        write(endpoint.port)
    }
}

extension ByteReader {
    package mutating func readEndpoint() throws(DecodeError) -> Endpoint {
        Endpoint(high: try readUInt64(), low: try readUInt64(), port: try readUInt16())
    }
}
