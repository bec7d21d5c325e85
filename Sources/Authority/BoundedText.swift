/// Text that takes part in replicated decisions: compared, ordered and hashed as UTF-8 bytes.
///
/// Swift's `String` compares by canonical equivalence, whose tables change with the Unicode version of the standard
/// library; two nodes with different binaries could then disagree whether a user exists. Bytes cannot. Callers
/// normalise to NFC before proposing, so that people still find what they typed.
package struct BoundedText<Rule: TextRule>: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let utf8: [UInt8]

    /// Returns nil where the length is outside `Rule.byteCounts` or a character is refused.
    package init?(_ text: String) {
        self.init(utf8: Array(text.utf8))
    }

    /// Returns nil where the bytes are not UTF-8, too many or too few, or contain a refused character.
    package init?(utf8: [UInt8]) {
        guard Rule.byteCounts.contains(utf8.count) else { return nil }
        if utf8.allSatisfy({ (0x20...0x7E).contains($0) }) {
            // Printable ASCII, as nearly all of it is, needs no decoding.
            self.utf8 = utf8
            return
        }
        guard let text = String(validating: utf8, as: UTF8.self),
            !text.unicodeScalars.contains(where: \.isRefusedInText)
        else { return nil }
        self.utf8 = utf8
    }

    package var text: String { String(decoding: utf8, as: UTF8.self) }
    package var description: String { text }

    package static func < (a: Self, b: Self) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
}

/// How long a kind of text may be, in UTF-8 bytes.
package protocol TextRule {
    static var byteCounts: ClosedRange<Int> { get }
}

package enum UserNameRule: TextRule { package static let byteCounts = 1...64 }
package enum ValueKeyRule: TextRule { package static let byteCounts = 1...512 }
package enum LockNameRule: TextRule { package static let byteCounts = 1...128 }
package enum TopicNameRule: TextRule { package static let byteCounts = 1...128 }
package enum LabelRule: TextRule { package static let byteCounts = 0...128 }

/// Whom a session, a key or a value belongs to: 1 to 64 bytes.
package typealias UserName = BoundedText<UserNameRule>
/// Where a value lies: 1 to 512 bytes.
package typealias ValueKey = BoundedText<ValueKeyRule>
/// What a lock protects: 1 to 128 bytes.
package typealias LockName = BoundedText<LockNameRule>
/// Where events are published: 1 to 128 bytes.
package typealias TopicName = BoundedText<TopicNameRule>
/// What a person calls a session or a key, such as a browser's name: at most 128 bytes, possibly none.
package typealias Label = BoundedText<LabelRule>

extension BoundedText where Rule == LabelRule {
    /// Makes any text a label: refused characters become spaces, and what exceeds the limit is cut between characters.
    package init(sanitising text: String) {
        var utf8: [UInt8] = []
        for scalar in text.unicodeScalars {
            let kept = scalar.isRefusedInText ? " " : scalar
            guard utf8.count + UTF8.width(kept) <= Rule.byteCounts.upperBound else { break }
            utf8.append(contentsOf: UTF8.encode(kept)!)  // every Unicode scalar has a UTF-8 form
        }
        self.init(trusted: utf8)
    }

    private init(trusted utf8: [UInt8]) {
        self.init(utf8: utf8)!  // only accepted characters were appended, within the limit
    }
}

/// A password's Argon2id encoding (`$argon2id$v=19$...`): parameters, salt and hash in one text of at most 128 bytes.
/// Not a password, but what an offline guess is tried against: it never appears in a log.
package struct PasswordVerifier: Hashable, Sendable, CustomStringConvertible {
    package static let byteCountMax = 128

    let utf8: [UInt8]

    /// Returns nil for an empty or overlong text, or one outside printable ASCII.
    package init?(encoded: String) {
        self.init(utf8: Array(encoded.utf8))
    }

    init?(utf8: [UInt8]) {
        guard (1...Self.byteCountMax).contains(utf8.count), utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return nil
        }
        self.utf8 = utf8
    }

    package var encoded: String { String(decoding: utf8, as: UTF8.self) }
    package var description: String { "<password verifier>" }
}

extension Unicode.Scalar {
    /// Control characters, line and paragraph separators, and the invisible marks that reorder or hide the text
    /// around them: a name must look like what it is. Fixed ranges, not Unicode properties, which change by version.
    fileprivate var isRefusedInText: Bool {
        switch value {
        case 0x00...0x1F, 0x7F...0x9F, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x2069, 0xFEFF: true
        default: false
        }
    }
}
