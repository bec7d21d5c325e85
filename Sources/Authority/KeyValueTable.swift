import HashTreeCollections
import Primitives

/// A stored value and who stored it.
package struct StoredValue: Hashable, Sendable {
    /// As they are, or sealed.
    package let bytes: [UInt8]
    /// Of the data key that they are sealed under; 0: they are clear, as programs before `FeatureLevel.sealedValues` and
    /// meshes without a data key store them.
    package let epoch: UInt32
    /// The entry of the last change. Never used twice, not even after a delete, so it serves as an `ETag`.
    package let revision: LogIndex
    /// Nil if it was stored before the clock had an anchor.
    package let changedAt: UnixTime?
    package let author: UserName

    /// What a seal adds: the same in every program (nonce 24, tag 16).
    package static let sealBytes = 40

    /// Bytes of the value itself.
    package var byteCount: Int { bytes.count - (epoch > 0 ? Self.sealBytes : 0) }
}

/// The values that the mesh shares: small, replicated to every node, changed conditionally (RFC 9110 §13).
package struct KeyValueTable: Equatable, Sendable {
    private var values: TreeDictionary<ValueKey, StoredValue> = [:]
    /// Of all keys and values, against `AuthorityLimits.valueBytesTotal`.
    package private(set) var bytesTotal = 0
    /// How many values lie under each epoch; 0 for those that are clear.
    private var counts: [UInt32: Int] = [:]

    package init() {}

    package var count: Int { values.count }
    package subscript(key: ValueKey) -> StoredValue? { values[key] }
    /// Data keys that are needed to read everything, ascending.
    package var epochs: [UInt32] { counts.keys.filter { $0 > 0 }.sorted() }
    package func count(under epoch: UInt32) -> Int { counts[epoch] ?? 0 }
    package var sealedCount: Int { count - count(under: 0) }

    /// The keys of values that are not under this epoch, sorted. Walks the whole table.
    package func keys(notUnder epoch: UInt32) -> [ValueKey] {
        count(under: epoch) == count ? [] : values.filter { $0.value.epoch != epoch }.map(\.key).sorted()
    }

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
        guard value.byteCount >= 0 else { return .refused(.malformed) }
        guard value.byteCount <= limits.valueBytes else { return .refused(.tooLarge) }
        let old = values[key]
        guard condition.holds(for: old?.revision) else { return .refused(.conditionFailed(current: old?.revision)) }
        let grown = bytesTotal + Self.cost(key, value) - (old.map { Self.cost(key, $0) } ?? 0)
        guard old != nil || values.count < limits.values, grown <= limits.valueBytesTotal else {
            return .refused(.limitReached)
        }
        store(value, for: key)
        return .stored(revision: value.revision, created: old == nil)
    }

    mutating func delete(_ key: ValueKey, condition: ValueCondition) -> AuthorityReply {
        let old = values[key]
        guard condition.holds(for: old?.revision) else { return .refused(.conditionFailed(current: old?.revision)) }
        guard old != nil else { return .refused(.unknownValue) }
        if planted(.deleteForgotten) { return .done }
        store(nil, for: key)
        return .done
    }

    /// The same value under another data key: nothing of it changes for clients.
    mutating func reseal(
        _ key: ValueKey, of revision: LogIndex, epoch: UInt32, sealed: [UInt8]
    ) -> AuthorityReply {
        guard let old = values[key], old.revision == revision else {
            return .refused(.conditionFailed(current: values[key]?.revision))
        }
        let value = StoredValue(
            bytes: sealed, epoch: epoch, revision: revision, changedAt: old.changedAt, author: old.author)
        guard epoch > old.epoch, value.byteCount == old.byteCount else { return .refused(.malformed) }
        store(value, for: key)
        return .done
    }

    private mutating func store(_ value: StoredValue?, for key: ValueKey) {
        if let old = values[key] {
            bytesTotal -= Self.cost(key, old)
            counts[old.epoch] = counts[old.epoch].flatMap { $0 > 1 ? $0 - 1 : nil }
        }
        values[key] = value
        guard let value else { return }
        bytesTotal += Self.cost(key, value)
        counts[value.epoch, default: 0] += 1
    }

    /// Without what a seal adds: what fits does not depend on it.
    private static func cost(_ key: ValueKey, _ value: StoredValue) -> Int { key.utf8.count + value.byteCount }

    /// What is wrong with the table, or nil.
    func violation(limits: AuthorityLimits, appliedIndex: LogIndex) -> String? {
        let bytes = values.reduce(0) { $0 + Self.cost($1.key, $1.value) }
        guard bytes == bytesTotal else { return "\(bytes) bytes of values, counted as \(bytesTotal)" }
        guard bytes <= limits.valueBytesTotal, values.count <= limits.values else {
            return "\(values.count) values of \(bytes) bytes exceed the limits"
        }
        let inOrder = values.values.allSatisfy {
            $0.revision <= appliedIndex && 0...limits.valueBytes ~= $0.byteCount
        }
        guard counts == values.values.reduce(into: [:], { $0[$1.epoch, default: 0] += 1 }) else {
            return "values are counted by epoch as \(counts.sorted { $0.key < $1.key })"
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
                bytes: try reader.readBlob(limit: limits.valueBytes + StoredValue.sealBytes), epoch: 0,
                revision: try reader.readLogIndex(),
                changedAt: try reader.readBool() ? try reader.readUnixTime() : nil,
                author: try reader.readText(UserName.self))
            try requireAscending(key, after: &last)
            store(value, for: key)
        }
    }

    /// In the order of the keys. Only after `encode`: read alone, the values would look clear.
    func encodeEpochs(into writer: inout ByteWriter) {
        for entry in list(limit: .max) { writer.write(entry.value.epoch) }
    }

    mutating func readEpochs(from reader: inout ByteReader) throws(DecodeError) {
        for (key, old) in list(limit: .max) {
            let value = StoredValue(
                bytes: old.bytes, epoch: try reader.readUInt32(), revision: old.revision, changedAt: old.changedAt,
                author: old.author)
            guard value.byteCount >= 0 else { throw .invalid("sealed value") }
            store(value, for: key)
        }
    }
}
