/// The path of a request, percent-decoded exactly once and free of anything that two readers could read differently.
///
/// Whoever checks access and whoever serves must see the same path: `/mesh/v1/%6Bv`, `/mesh//v1` and `/a/../mesh` have
/// opened many a guarded door. So a target is parsed here once (RFC 3986 §2.1, §3.3), by the gateway's handler and by
/// the routes alike; dot segments, empty segments, controls, backslashes and broken escapes are refused, not repaired.
/// An encoded slash is refused too, except below `/mesh/v1/kv/`, `/mesh/v1/topics/` and `/v1/models/`, whose last part is
/// one name that may contain slashes.
package struct RequestPath: Hashable, Sendable, CustomStringConvertible {
    /// Longest accepted target in bytes, query included.
    package static let targetBytesMax = 8 << 10

    /// Decoded segments; empty for `/`.
    package let segments: [String]
    /// In order; values decoded, empty for items without one.
    private let items: [QueryItem]

    private struct QueryItem: Hashable, Sendable {
        let name: String
        let value: String
    }

    private static let slashTolerant = [["mesh", "v1", "kv"], ["mesh", "v1", "topics"], ["v1", "models"]]

    package init(_ target: some StringProtocol) throws(RequestPathRefusal) {
        let bytes = Array(target.utf8)
        guard bytes.count <= Self.targetBytesMax else { throw .tooLong }
        guard bytes.first == UInt8(ascii: "/") else { throw .notAPath }
        let pathEnd = bytes.firstIndex(of: UInt8(ascii: "?")) ?? bytes.endIndex
        items = try Self.items(bytes[min(pathEnd + 1, bytes.endIndex)...])

        var decoded: [String] = []
        if pathEnd > 1 {
            for raw in bytes[1..<pathEnd].split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
                guard !raw.isEmpty else { throw .emptySegment }
                decoded.append(try Self.decode(raw, mayHoldSlash: Self.slashTolerant.contains(decoded.prefixed)))
            }
        }
        segments = decoded
    }

    /// The segments from `index` on, joined by slashes: a kv key, a topic or a model id.
    package func remainder(from index: Int) -> String { segments[index...].joined(separator: "/") }

    package var description: String { "/" + segments.joined(separator: "/") }

    /// The value of the first query item of that name; nil where there is none.
    package func queryValue(_ name: String) -> String? { items.first { $0.name == name }?.value }

    /// What does not decode is refused: a condition that was misread would be none.
    private static func items(_ query: ArraySlice<UInt8>) throws(RequestPathRefusal) -> [QueryItem] {
        var items: [QueryItem] = []
        for item in query.split(separator: UInt8(ascii: "&")) {
            let parts = item.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count == 2 ? parts[1].map { $0 == UInt8(ascii: "+") ? UInt8(ascii: " ") : $0 } : []
            items.append(QueryItem(name: try unescape(parts[0]), value: try unescape(value[...])))
        }
        return items
    }

    private static func decode(
        _ raw: ArraySlice<UInt8>, mayHoldSlash: @autoclosure () -> Bool
    ) throws(RequestPathRefusal) -> String {
        let text = try unescape(raw)
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 1 || mayHoldSlash() else { throw .encodedSlash }
        for part in parts {
            guard !part.isEmpty else { throw .emptySegment }
            guard !part.elementsEqual(".".utf8), !part.elementsEqual("..".utf8) else { throw .dotSegment }
        }
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\\") }) else {
            throw .forbiddenCharacter
        }
        return text
    }

    private static func unescape(_ raw: ArraySlice<UInt8>) throws(RequestPathRefusal) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(raw.count)
        var index = raw.startIndex
        while index < raw.endIndex {
            guard raw[index] == UInt8(ascii: "%") else {
                bytes.append(raw[index])
                index += 1
                continue
            }
            guard index + 2 < raw.endIndex, let high = hexDigit(raw[index + 1]), let low = hexDigit(raw[index + 2])
            else { throw .brokenEscape }
            bytes.append(high << 4 | low)
            index += 3
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notUTF8 }
        return text
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension [String] {
    /// The first three segments, or two below `/v1`: the part that decides whether a name with slashes follows.
    fileprivate var prefixed: [String] { first == "v1" ? Array(prefix(2)) : Array(prefix(3)) }
}

/// Why a request target is not accepted; always answered with 400, and nothing was looked up.
package enum RequestPathRefusal: Error, Hashable, Sendable {
    /// Longer than `RequestPath.targetBytesMax`.
    case tooLong
    /// Not an absolute path: `*`, a full URL, or text without a leading slash.
    case notAPath
    case emptySegment
    case dotSegment
    case encodedSlash
    case brokenEscape
    case notUTF8
    /// A control character or a backslash.
    case forbiddenCharacter

    package var explanation: String {
        switch self {
        case .tooLong: "the request target is longer than \(RequestPath.targetBytesMax) bytes"
        case .notAPath: "the request target must be a path that starts with a slash"
        case .emptySegment: "the path has an empty segment; write single slashes, and none at the end"
        case .dotSegment: "the path has a dot segment; write the path that is meant"
        case .encodedSlash: "an encoded slash is accepted only in kv keys, topics and model ids"
        case .brokenEscape: "a percent sign must be followed by two hexadecimal digits"
        case .notUTF8: "the decoded path or query is not UTF-8"
        case .forbiddenCharacter: "the path holds a control character or a backslash"
        }
    }
}
