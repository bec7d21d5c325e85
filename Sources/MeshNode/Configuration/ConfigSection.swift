import NodeCore
import Primitives
import Yams

/// One mapping of a YAML file, read key by key. Every key must be asked for: `finish` refuses what is left over, with
/// the nearest name it knows, so that a misspelt key is never silently ignored.
struct ConfigSection {
    let file: String
    /// Dotted path of this mapping; empty for the root.
    let path: String
    private let mapping: Node.Mapping
    private var asked: [String] = []

    init(file: String, path: String = "", node: Node) throws(ConfigError) {
        guard let mapping = node.mapping else {
            throw ConfigError(
                file: file, line: node.mark?.line, key: path.isEmpty ? nil : path,
                problem: "expected a mapping of keys to values", advice: "see configs/README.md for the form")
        }
        self.file = file
        self.path = path
        self.mapping = mapping
    }

    static func load(_ file: String, text: String) throws(ConfigError) -> ConfigSection {
        let root: Node?
        do {
            // Values are taken as they are written: rules that guess their types would only cost memory.
            root = try Yams.compose(yaml: text, .basic)
        } catch {
            let first = "\(error)".split(separator: "\n").first.map(String.init) ?? "\(error)"
            throw ConfigError(file: file, problem: "is not valid YAML (\(first))", advice: "correct the syntax there")
        }
        guard let root else {
            throw ConfigError(file: file, problem: "is empty", advice: "copy one of configs/*.yaml and adapt it")
        }
        return try ConfigSection(file: file, node: root)
    }

    func name(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    func error(_ key: String, _ problem: String, advice: String) -> ConfigError {
        ConfigError(
            file: file, line: mapping[key]?.mark?.line, key: name(of: key), problem: problem, advice: advice)
    }

    // MARK: Values

    mutating func string(_ key: String) throws(ConfigError) -> String? {
        asked.append(key)
        guard let node = mapping[key] else { return nil }
        guard let text = node.scalar?.string else {
            throw error(key, "found a list or mapping", advice: "write a single value")
        }
        return text
    }

    mutating func required(_ key: String, example: String) throws(ConfigError) -> String {
        guard let text = try string(key), !text.isEmpty else {
            throw missing(key, advice: "add it, for example '\(key): \(example)'")
        }
        return text
    }

    /// A required key is not there: perhaps it is, misspelt.
    func missing(_ key: String, advice: String) -> ConfigError {
        for (node, _) in mapping {
            guard let found = node.scalar?.string, found != key, !asked.contains(found), editDistance(found, key) <= 2
            else { continue }
            return ConfigError(
                file: file, line: node.mark?.line, key: name(of: found), problem: "is not a known key",
                advice: "did you mean '\(key)'?")
        }
        return error(key, "is missing", advice: advice)
    }

    mutating func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int) throws(ConfigError) -> Int {
        guard let text = try string(key) else { return fallback }
        guard let value = Int(text), range.contains(value) else {
            throw error(
                key, "found '\(text)'", advice: "write a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    mutating func number(
        _ key: String, in range: ClosedRange<Double>, default fallback: Double
    ) throws(ConfigError) -> Double {
        guard let text = try string(key) else { return fallback }
        guard let value = Double(text), range.contains(value) else {
            throw error(
                key, "found '\(text)'", advice: "write a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    mutating func flag(_ key: String, default fallback: Bool) throws(ConfigError) -> Bool {
        switch try string(key) {
        case nil: return fallback
        case "true"?: return true
        case "false"?: return false
        case let text?: throw error(key, "found '\(text)'", advice: "write true or false")
        }
    }

    /// `300ms`, `5s`, `2min`, `1h`.
    mutating func span(
        _ key: String, in range: ClosedRange<Duration>, default fallback: Duration
    ) throws(ConfigError) -> Duration {
        guard let text = try string(key) else { return fallback }
        guard let value = Duration(spelled: text), range.contains(value) else {
            throw error(
                key, "found '\(text)'",
                advice:
                    "write a span from \(range.lowerBound.spelled) to \(range.upperBound.spelled), for example \(fallback.spelled)"
            )
        }
        return value
    }

    /// As `span`, for a key without a default.
    mutating func optionalSpan(_ key: String, in range: ClosedRange<Duration>) throws(ConfigError) -> Duration? {
        guard mapping[key] != nil else {
            asked.append(key)
            return nil
        }
        return try span(key, in: range, default: range.lowerBound)
    }

    /// `24GiB`, `512MiB`, or plain bytes.
    mutating func bytes(_ key: String, default fallback: UInt64) throws(ConfigError) -> UInt64 {
        guard let text = try string(key) else { return fallback }
        for (suffix, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where text.hasSuffix(suffix) {
            guard let count = Double(text.dropLast(suffix.count).trimmed), count >= 0, count < 1e6 else { break }
            return UInt64(count * Double(1 << shift))
        }
        guard let value = UInt64(text) else {
            throw error(key, "found '\(text)'", advice: "write a size such as 24GiB, 512MiB or a number of bytes")
        }
        return value
    }

    mutating func choice<T: RawRepresentable & CaseIterable>(
        _ key: String, default fallback: T
    ) throws(ConfigError) -> T where T.RawValue == String {
        guard let text = try string(key) else { return fallback }
        guard let value = T(rawValue: text) else {
            throw error(
                key, "found '\(text)'", advice: "write one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return value
    }

    mutating func endpoint(_ key: String) throws(ConfigError) -> Endpoint? {
        guard let text = try string(key) else { return nil }
        guard let endpoint = Endpoint(text) else {
            throw error(
                key, "found '\(text)'",
                advice: "write a numeric address and port, for example 127.0.0.1:7946 or [::1]:7946")
        }
        return endpoint
    }

    mutating func strings(_ key: String) throws(ConfigError) -> [String] {
        asked.append(key)
        guard let node = mapping[key] else { return [] }
        guard let list = node.sequence else {
            throw error(key, "found a single value", advice: "write a list, one '- value' a line")
        }
        var values: [String] = []
        for element in list {
            guard let text = element.scalar?.string else {
                throw error(key, "holds something that is no plain value", advice: "write one plain value a line")
            }
            values.append(text)
        }
        return values
    }

    mutating func networks(_ key: String) throws(ConfigError) -> [Network] {
        var networks: [Network] = []
        for text in try strings(key) {
            guard let network = Network(text) else {
                throw error(key, "found '\(text)'", advice: "write networks such as 10.0.0.0/8 or fd00::/8")
            }
            networks.append(network)
        }
        return networks
    }

    // MARK: Structure

    mutating func section(_ key: String) throws(ConfigError) -> ConfigSection? {
        asked.append(key)
        guard let node = mapping[key] else { return nil }
        return try ConfigSection(file: file, path: name(of: key), node: node)
    }

    mutating func sections(_ key: String) throws(ConfigError) -> [ConfigSection] {
        asked.append(key)
        guard let node = mapping[key] else { return [] }
        guard let list = node.sequence else {
            throw error(key, "found a single value", advice: "write a list of mappings, each starting with '- '")
        }
        var found: [ConfigSection] = []
        for (index, element) in list.enumerated() {
            found.append(try ConfigSection(file: file, path: "\(name(of: key))[\(index)]", node: element))
        }
        return found
    }

    /// Call after the last key.
    func finish() throws(ConfigError) {
        for (node, _) in mapping {
            let key = node.scalar?.string ?? ""
            guard !asked.contains(key) else { continue }
            let known = asked.min { editDistance($0, key) < editDistance($1, key) } ?? ""
            let hint =
                editDistance(known, key) <= 3
                ? "did you mean '\(known)'?" : "known keys here: \(asked.joined(separator: ", "))"
            throw ConfigError(
                file: file, line: node.mark?.line, key: name(of: key), problem: "is not a known key", advice: hint)
        }
    }
}

extension StringProtocol {
    /// Without spaces at either end.
    var trimmed: String {
        var text = Substring(self)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}

/// Levenshtein distance, for "did you mean".
private func editDistance(_ a: String, _ b: String) -> Int {
    let a = Array(a.utf8)
    let b = Array(b.utf8)
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, y) in b.enumerated() {
            let above = row[j + 1]
            row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
            diagonal = above
        }
    }
    return row[b.count]
}
