/// A file of one value, with a line that tells damage: what a node keeps of what others said, to have it at the next start.
package enum CheckedFile {
    package static func encode(kind: String, _ bytes: [UInt8]) -> [UInt8] {
        KeyFile.encode(kind: kind, lines: [("value", bytes)])
    }

    package static func decode(kind: String, _ file: [UInt8]) throws(KeyFileError) -> [UInt8] {
        let lines = try KeyFile.decodeLines(file, kind: kind)
        guard lines.count == 1, lines[0].name == "value" else { throw .damaged }
        return lines[0].value
    }
}
