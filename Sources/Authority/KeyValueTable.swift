import HashTreeCollections
import Primitives

/// A stored value and who stored it.
package struct StoredValue: Hashable, Sendable {
    package let bytes: [UInt8]
    /// The entry of the last change. Never used twice, not even after a delete, so it serves as an `ETag`.
    package let revision: LogIndex
    /// Nil if it was stored before the clock had an anchor.
    package let changedAt: UnixTime?
    package let author: UserName
}

/// The values that the mesh shares: small, replicated to every node, changed conditionally (RFC 9110 §13).
package struct KeyValueTable: Equatable, Sendable {
    private var values: TreeDictionary<ValueKey, StoredValue> = [:]
    /// Of all keys and values, against `AuthorityLimits.valueBytesTotal`.
    package private(set) var bytesTotal = 0

    package init() {}

    package var count: Int { values.count }
    package subscript(key: ValueKey) -> StoredValue? { values[key] }

    /// Entries whose key begins with `prefix`, sorted by the bytes of the key, beginning after `key`, at most `limit`.
    /// Walks the whole table; for listings only.
    package func list(
        prefix: [UInt8] = [], after key: ValueKey? = nil, limit: Int
    ) -> [(key: ValueKey, value: StoredValue)] {
        precondition(limit >= 0, "a listing of \(limit) entries")
        let matching = values.filter { entry in
            entry.key.utf8.starts(with: prefix) && key.map { $0 < entry.key } ?? true
        }
        return Array(matching.sorted { $0.key < $1.key }.prefix(limit)).map { ($0.key, $0.value) }
    }

    mutating func put(
        _ value: StoredValue, for key: ValueKey, condition: ValueCondition, limits: AuthorityLimits
    ) -> AuthorityReply {
        guard value.bytes.count <= limits.valueBytes else { return .refused(.tooLarge) }
        let old = values[key]
        guard condition.holds(for: old?.revision) else { return .refused(.conditionFailed(current: old?.revision)) }
        let grown = bytesTotal + Self.cost(key, value) - (old.map { Self.cost(key, $0) } ?? 0)
        guard old != nil || values.count < limits.values, grown <= limits.valueBytesTotal else {
            return .refused(.limitReached)
        }
        values[key] = value
        bytesTotal = grown
        return .stored(revision: value.revision, created: old == nil)
    }

    mutating func delete(_ key: ValueKey, condition: ValueCondition) -> AuthorityReply {
        let old = values[key]
        guard condition.holds(for: old?.revision) else { return .refused(.conditionFailed(current: old?.revision)) }
        guard let old else { return .refused(.unknownValue) }
        if planted(.deleteForgotten) { return .done }
        values[key] = nil
        bytesTotal -= Self.cost(key, old)
        return .done
    }

    private static func cost(_ key: ValueKey, _ value: StoredValue) -> Int { key.utf8.count + value.bytes.count }

    /// What is wrong with the table, or nil.
    func violation(limits: AuthorityLimits, appliedIndex: LogIndex) -> String? {
        let bytes = values.reduce(0) { $0 + Self.cost($1.key, $1.value) }
        guard bytes == bytesTotal else { return "\(bytes) bytes of values, counted as \(bytesTotal)" }
        guard bytes <= limits.valueBytesTotal, values.count <= limits.values else {
            return "\(values.count) values of \(bytes) bytes exceed the limits"
        }
        let inOrder = values.values.allSatisfy {
            $0.revision <= appliedIndex && $0.bytes.count <= limits.valueBytes
        }
        return inOrder ? nil : "a value is too large, or newer than the log at \(appliedIndex)"
    }
}

extension ValueCondition {
    func holds(for revision: LogIndex?) -> Bool {
        switch self {
        case .none: true
        case .ifMatch(let expected): revision == expected || planted(.revisionUnchecked)
        case .ifNoneMatchAny: revision == nil || planted(.creationUnchecked)
        case .ifHolding: true  // the lock was looked at before: `AuthorityState.holds`
        }
    }
}

extension KeyValueTable {
    func encode(into writer: inout ByteWriter) {
        writer.writeArray(list(limit: .max)) { writer, entry in
            writer.write(entry.key)
            writer.write(entry.value.bytes)
            writer.write(entry.value.revision)
            writer.writeOptional(entry.value.changedAt) { $0.write($1) }
            writer.write(entry.value.author)
        }
    }

    init(from reader: inout ByteReader, limits: AuthorityLimits) throws(DecodeError) {
        self.init()
        var last: ValueKey?
        for _ in 0..<(try reader.readCount(limit: limits.values)) {
            let key = try reader.readText(ValueKey.self)
            let value = StoredValue(
                bytes: try reader.readBlob(limit: limits.valueBytes), revision: try reader.readLogIndex(),
                changedAt: try reader.readBool() ? try reader.readUnixTime() : nil,
                author: try reader.readText(UserName.self))
            try requireAscending(key, after: &last)
            values[key] = value
            bytesTotal += Self.cost(key, value)
        }
    }
}
