/// Rows of text in columns, for terminals: each column as wide as its widest cell, two spaces between.
///
/// Cells may come from other people, such as a browser's name or a model's: what would steer a terminal is shown as `?`.
package struct TextTable {
    private let head: [String]
    private let numeric: Set<Int>
    private var rows: [[String]] = []

    /// - Parameter numeric: columns that line up at their right end.
    package init(_ head: [String], numeric: Set<Int> = []) {
        self.head = head
        self.numeric = numeric
    }

    package mutating func add(_ cells: [String]) {
        precondition(cells.count == head.count, "\(cells.count) cells for \(head.count) columns")
        rows.append(cells.map(Self.harmless))
    }

    /// The head and the rows, or one line that says that there is nothing.
    package func lines(ifEmpty: String) -> [String] {
        guard !rows.isEmpty else { return [ifEmpty] }
        let all = [head] + rows
        let widths = head.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            let padded = row.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                return numeric.contains(column) ? space + row[column] : row[column] + space
            }
            let line = padded.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }

    /// Without control characters and invisible marks that reorder text.
    package static func harmless(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    switch scalar.value {
                    case 0x00...0x1F, 0x7F...0x9F, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x2069, 0xFEFF: "?"
                    default: scalar
                    }
                }))
    }
}
