import Primitives

/// Why a key file was refused. Nothing was changed; the file is left as it is.
package enum KeyFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The first line is not the expected one: another kind of file, another version, or damage.
    case wrongKind(expected: String)
    /// A field is missing, repeated, of another length, or not hexadecimal.
    case badField(String)
    /// The keys in the file do not belong together, or its check line does not match: it was damaged or edited.
    case damaged

    package var description: String {
        switch self {
        case .wrongKind(let expected): "the file does not begin with \"\(expected)\""
        case .badField(let name): "the line \"\(name)\" is missing or not the hexadecimal text it should be"
        case .damaged: "the file was damaged or edited: its check line does not match"
        }
    }
}

/// The text form of keys on disk: one line that names the kind and version, one line a field, one check line.
///
///     meshnode identity 1
///     exchange 77076d0a7318a57d3c16c17251b26645...
///     signing 9d61b19deffd5a60ba844af492ec2cc4...
///     check 0f1e2d3c4b5a69788796a5b4c3d2e1f0
enum KeyFile {
    struct Field: Sendable {
        let name: String
        let byteCount: Int

        init(_ name: String, _ byteCount: Int) {
            self.name = name
            self.byteCount = byteCount
        }
    }

    static let version = 1

    static func encode(kind: String, fields: [Field], values: [[UInt8]]) -> [UInt8] {
        precondition(fields.count == values.count, "\(values.count) values for \(fields.count) fields")
        for (field, value) in zip(fields, values) {
            precondition(value.count == field.byteCount, "\(field.name) has \(value.count) bytes")
        }
        return encode(kind: kind, lines: zip(fields, values).map { ($0.name, $1) })
    }

    /// With whatever lines there are, names repeated too.
    static func encode(kind: String, lines: [(name: String, value: [UInt8])]) -> [UInt8] {
        var text = "\(kind) \(version)\n"
        for line in lines { text += "\(line.name) \(Hex.encode(line.value))\n" }
        text += "check \(check(text))\n"
        return Array(text.utf8)
    }

    static func decode(_ bytes: [UInt8], kind: String, fields: [Field]) throws(KeyFileError) -> [[UInt8]] {
        let lines = try split(bytes, kind: kind)
        guard lines.count == fields.count else { throw .damaged }
        var values: [[UInt8]] = []
        for (field, line) in zip(fields, lines) {
            let prefix = field.name + " "
            guard line.hasPrefix(prefix), let value = Hex.decode(String(line.dropFirst(prefix.count))),
                value.count == field.byteCount
            else { throw .badField(field.name) }
            values.append(value)
        }
        return values
    }

    static func decodeLines(_ bytes: [UInt8], kind: String) throws(KeyFileError) -> [(name: String, value: [UInt8])] {
        var lines: [(name: String, value: [UInt8])] = []
        for line in try split(bytes, kind: kind) {
            let parts = line.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 2, let value = Hex.decode(String(parts[1])) else {
                throw .badField(String(parts.first ?? ""))
            }
            lines.append((String(parts[0]), value))
        }
        return lines
    }

    /// The lines between the first, which names the kind, and the check.
    private static func split(_ bytes: [UInt8], kind: String) throws(KeyFileError) -> [Substring] {
        let header = "\(kind) \(version)"
        let text = String(decoding: bytes, as: UTF8.self)
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.first.map(String.init) == header else { throw .wrongKind(expected: header) }
        guard lines.count >= 3, lines.popLast() == "" else { throw .damaged }
        let checked = lines.dropLast().map { $0 + "\n" }.joined()
        guard lines.popLast().map(String.init) == "check \(check(checked))" else { throw .damaged }
        return Array(lines.dropFirst())
    }

    /// Tells damage from a key; it is no protection against someone who writes files.
    private static func check(_ text: String) -> String { Hex.encode(Blake2b.hash(Array(text.utf8), byteCount: 16)) }
}
