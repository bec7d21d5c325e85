/// Why a node cannot start with what it was given. One line for a person: the file, the key, what was found and what to
/// do about it. Nothing was written.
package struct ConfigError: Error, CustomStringConvertible {
    let file: String
    var line: Int?
    /// Dotted, e.g. `raft.election_timeout`; nil where the whole file is meant.
    var key: String?
    let problem: String
    let advice: String

    package var description: String {
        let place = line.map { "\(file):\($0)" } ?? file
        return "\(place): \(key.map { "\($0): " } ?? "")\(problem); \(advice)"
    }
}
