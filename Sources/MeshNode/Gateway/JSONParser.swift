/// Reads JSON text (RFC 8259) strictly: one value, no comments, no trailing text, nesting bounded.
///
/// Bytes come from clients and backends, so nothing here traps. Of duplicate members all are kept and the first one
/// counts; what is forwarded is re-encoded from the value wherever a decision was based on it.
package struct JSONParser {
    /// Arrays and objects inside each other; deeper text is refused rather than risking the stack.
    package static let depthMax = 64

    private let bytes: UnsafeBufferPointer<UInt8>
    private var index = 0

    package static func parse(_ bytes: [UInt8]) throws(JSONRefusal) -> JSONValue {
        // The closure is not allowed to throw a typed error through `withUnsafeBufferPointer`, hence the result.
        let outcome = bytes.withUnsafeBufferPointer { pointer -> Result<JSONValue, JSONRefusal> in
            var parser = JSONParser(bytes: pointer)
            do throws(JSONRefusal) {
                return .success(try parser.document())
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private mutating func document() throws(JSONRefusal) -> JSONValue {
        let value = try self.value(depth: 0)
        skipSpace()
        guard index == bytes.count else { throw refusal("text after the value") }
        return value
    }

    private mutating func value(depth: Int) throws(JSONRefusal) -> JSONValue {
        guard depth <= Self.depthMax else { throw refusal("nesting deeper than \(Self.depthMax)") }
        skipSpace()
        guard index < bytes.count else { throw refusal("the text ends early") }
        switch bytes[index] {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(JSONRefusal) -> JSONValue {
        index += 1
        var members: [JSONMember] = []
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object(members) }
        while true {
            skipSpace()
            guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else {
                throw refusal("a member needs a name")
            }
            let name = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw refusal("a colon is missing") }
            members.append(JSONMember(name: name, value: try value(depth: depth + 1)))
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw refusal("a comma or closing brace is missing") }
        }
    }

    private mutating func array(depth: Int) throws(JSONRefusal) -> JSONValue {
        index += 1
        var elements: [JSONValue] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array(elements) }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard take(UInt8(ascii: ",")) else { throw refusal("a comma or closing bracket is missing") }
        }
    }

    private mutating func string() throws(JSONRefusal) -> String {
        index += 1
        let start = index
        while index < bytes.count, bytes[index] != UInt8(ascii: "\""), bytes[index] != UInt8(ascii: "\\") {
            guard bytes[index] >= 0x20 else { throw refusal("a control character inside a string") }
            index += 1
        }
        guard index < bytes.count else { throw refusal("a string does not end") }
        if bytes[index] == UInt8(ascii: "\"") {
            defer { index += 1 }
            return try validated(bytes[start..<index])
        }
        return try escapedString(from: start)
    }

    private mutating func escapedString(from start: Int) throws(JSONRefusal) -> String {
        var text = Array(bytes[start..<index])
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return try validated(text)
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw refusal("a control character inside a string")
            default: text.append(byte)
            }
        }
        throw refusal("a string does not end")
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONRefusal) {
        guard index < bytes.count else { throw refusal("a string does not end") }
        let byte = bytes[index]
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text.append(contentsOf: String(Character(try unicodeEscape())).utf8)
        default: throw refusal("an unknown escape")
        }
    }

    /// A pair of surrogates makes one scalar; a lone one becomes U+FFFD, as most readers do.
    private mutating func unicodeEscape() throws(JSONRefusal) -> Unicode.Scalar {
        let first = try hexWord()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard (0xD800..<0xDC00).contains(first), index + 1 < bytes.count, bytes[index] == UInt8(ascii: "\\"),
            bytes[index + 1] == UInt8(ascii: "u")
        else { return "\u{FFFD}" }
        let resume = index
        index += 2
        let second = try hexWord()
        guard (0xDC00..<0xE000).contains(second) else {
            index = resume
            return "\u{FFFD}"
        }
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) ?? "\u{FFFD}"
    }

    private mutating func hexWord() throws(JSONRefusal) -> UInt32 {
        guard index + 4 <= bytes.count else { throw refusal("a string does not end") }
        var word: UInt32 = 0
        for _ in 0..<4 {
            let byte = bytes[index]
            index += 1
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): word = word << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): word = word << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): word = word << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
            default: throw refusal("an escape needs four hexadecimal digits")
            }
        }
        return word
    }

    /// `-? (0 | [1-9][0-9]*) (.[0-9]+)? ([eE][+-]?[0-9]+)?`
    private mutating func number() throws(JSONRefusal) -> JSONValue {
        let start = index
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return .number(String(decoding: bytes[start..<index], as: UTF8.self))
    }

    private mutating func digits() throws(JSONRefusal) {
        let start = index
        while index < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) { index += 1 }
        guard index > start else { throw refusal("a value was expected") }
    }

    private mutating func literal(_ word: StaticString, _ value: JSONValue) throws(JSONRefusal) -> JSONValue {
        let count = word.utf8CodeUnitCount
        guard index + count <= bytes.count, (0..<count).allSatisfy({ bytes[index + $0] == word.utf8Start[$0] }) else {
            throw refusal("a value was expected")
        }
        index += count
        return value
    }

    private func validated(_ text: some Collection<UInt8>) throws(JSONRefusal) -> String {
        guard let text = String(validating: text, as: UTF8.self) else { throw refusal("a string is not UTF-8") }
        return text
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard index < bytes.count, bytes[index] == byte else { return false }
        index += 1
        return true
    }

    private mutating func skipSpace() {
        while index < bytes.count {
            let byte = bytes[index]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            index += 1
        }
    }

    private func refusal(_ reason: String) -> JSONRefusal { JSONRefusal(reason: reason, offset: index) }
}

/// Why text is not JSON, and at which byte. Nothing was changed; answer 400 to a client, treat a backend as broken.
package struct JSONRefusal: Error, Hashable, Sendable {
    package let reason: String
    package let offset: Int

    package var explanation: String { "not valid JSON: \(reason) at byte \(offset)" }
}
