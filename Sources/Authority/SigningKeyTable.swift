import HashTreeCollections
import Primitives

/// A published public key of one node; the private half never leaves that node.
package struct SigningKey: Hashable, Sendable {
    package let record: SigningKeyRecord
    package let publishedAt: LogIndex
}

/// The public keys by which tokens are verified: the union of what all nodes published, which is the JWKS (RFC 7517).
/// Retiring a key takes effect with the entry that does it.
package struct SigningKeyTable: Equatable, Sendable {
    private var keys: TreeDictionary<SigningKeyID, SigningKey> = [:]

    package init() {}

    package var count: Int { keys.count }
    package subscript(id: SigningKeyID) -> SigningKey? { keys[id] }
    /// By id.
    package var sorted: [SigningKey] { keys.values.sorted { $0.record.id < $1.record.id } }
    /// Oldest first.
    package func keys(of node: NodeID) -> [SigningKey] {
        keys.values.filter { $0.record.node == node }.sorted { $0.publishedAt < $1.publishedAt }
    }

    mutating func publish(_ record: SigningKeyRecord, at index: LogIndex, limits: AuthorityLimits) -> AuthorityReply {
        if let known = keys[record.id] { return known.record == record ? .done : .refused(.idTaken) }
        guard keys.count < limits.signingKeys, keys(of: record.node).count < limits.signingKeysPerNode else {
            return .refused(.limitReached)
        }
        keys[record.id] = SigningKey(record: record, publishedAt: index)
        return .done
    }

    mutating func retire(_ id: SigningKeyID) -> AuthorityReply {
        keys.removeValue(forKey: id) == nil ? .refused(.unknownKey) : .done
    }

    /// What is wrong with the table, or nil.
    func violation(limits: AuthorityLimits, appliedIndex: LogIndex) -> String? {
        guard keys.count <= limits.signingKeys else { return "\(keys.count) signing keys exceed \(limits.signingKeys)" }
        for key in sorted where keys(of: key.record.node).count > limits.signingKeysPerNode {
            return "node \(key.record.node) holds more than \(limits.signingKeysPerNode) signing keys"
        }
        return keys.values.allSatisfy { $0.publishedAt <= appliedIndex } ? nil : "a signing key is newer than the log"
    }
}

extension SigningKeyTable {
    func encode(into writer: inout ByteWriter) {
        writer.writeArray(sorted) { writer, key in
            key.record.encode(into: &writer)
            writer.write(key.publishedAt)
        }
    }

    init(from reader: inout ByteReader, limits: AuthorityLimits) throws(DecodeError) {
        self.init()
        var last: SigningKeyID?
        for _ in 0..<(try reader.readCount(limit: limits.signingKeys)) {
            let key = SigningKey(
                record: try SigningKeyRecord(from: &reader), publishedAt: try reader.readLogIndex())
            try requireAscending(key.record.id, after: &last)
            keys[key.record.id] = key
        }
    }
}
