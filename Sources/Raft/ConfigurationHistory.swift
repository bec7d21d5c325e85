import Primitives

/// Every configuration that the log states, with its index: the last is in force, and a truncation brings an earlier one
/// back. The first stands for what came before the log: the genesis, or a snapshot's.
struct ConfigurationHistory: Sendable {
    struct Statement: Sendable {
        let index: LogIndex
        let configuration: Configuration
    }

    /// Ascending by index, never empty; as many as the log holds, which compaction bounds.
    private(set) var statements: [Statement]

    /// Traps on an entry that is no configuration: who wrote it had decoded it.
    init(base: Configuration, at index: LogIndex, entries: [Entry]) {
        statements = [Statement(index: index, configuration: base)]
        for entry in entries where entry.kind == .configuration { append(entry) }
    }

    var current: Statement { statements[statements.count - 1] }

    /// The configuration as of `index`, which must not be before the first.
    func statement(at index: LogIndex) -> Statement {
        for statement in statements.reversed() where statement.index <= index { return statement }
        preconditionFailure("no configuration is known at \(index): the first is at \(statements[0].index)")
    }

    mutating func append(_ entry: Entry) {
        guard let configuration = try? Configuration.decode(entry.payload) else {
            preconditionFailure("entry \(entry.index) is no configuration")
        }
        append(configuration, at: entry.index)
    }

    mutating func append(_ configuration: Configuration, at index: LogIndex) {
        precondition(index > current.index, "configuration at \(index) after one at \(current.index)")
        statements.append(Statement(index: index, configuration: configuration))
    }

    /// Returns whether another configuration is in force now.
    mutating func truncate(after index: LogIndex) -> Bool {
        precondition(index >= statements[0].index, "cannot forget the configuration at \(statements[0].index)")
        let before = statements.count
        while current.index > index { statements.removeLast() }
        return statements.count < before
    }

    /// The log begins after `index` now.
    mutating func compact(through index: LogIndex) {
        while statements.count > 1, statements[1].index <= index { statements.removeFirst() }
    }
}
