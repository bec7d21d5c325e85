import HashTreeCollections
import Primitives

/// A credential for programs, which cannot answer a password prompt. It does not expire; it is revoked.
package struct APIKey: Hashable, Sendable {
    package let id: APIKeyID
    package let user: UserName
    package let secretHash: Bytes32
    package let label: Label
    /// As granted. What counts is `AuthorityState.effectiveRole(of:)`, which the owner's role caps.
    package let role: Role
    package let createdAt: LogIndex
}

/// Every API key of the mesh.
package struct APIKeyTable: Equatable, Sendable {
    private var keys: TreeDictionary<APIKeyID, APIKey> = [:]

    package init() {}

    package var count: Int { keys.count }
    package subscript(id: APIKeyID) -> APIKey? { keys[id] }
    /// Oldest first. Walks the table; for display and for the rare command.
    package func keys(of user: UserName) -> [APIKey] {
        keys.values.filter { $0.user == user }.sorted { $0.createdAt < $1.createdAt }
    }
    /// By id.
    package var sorted: [APIKey] { keys.values.sorted { $0.id < $1.id } }

    mutating func create(_ grant: APIKeyGrant, at index: LogIndex, limits: AuthorityLimits) -> AuthorityReply {
        guard keys[grant.id] == nil else { return .refused(.idTaken) }
        guard keys.count < limits.apiKeys, keys(of: grant.user).count < limits.apiKeysPerUser else {
            return .refused(.limitReached)
        }
        keys[grant.id] = APIKey(
            id: grant.id, user: grant.user, secretHash: grant.secretHash, label: grant.label, role: grant.role,
            createdAt: index)
        return .done
    }

    mutating func revoke(_ id: APIKeyID) -> AuthorityReply {
        keys.removeValue(forKey: id) == nil ? .refused(.unknownKey) : .done
    }

    mutating func revokeAll(of user: UserName) {
        for key in keys(of: user) { keys[key.id] = nil }
    }

    /// What is wrong with the table, or nil.
    func violation(users: UserTable, limits: AuthorityLimits, appliedIndex: LogIndex) -> String? {
        guard keys.count <= limits.apiKeys else { return "\(keys.count) API keys exceed \(limits.apiKeys)" }
        for key in sorted {
            guard users[key.user] != nil else { return "API key \(key.id) of \(key.user), who does not exist" }
            guard key.createdAt <= appliedIndex else { return "API key \(key.id) is newer than the log" }
        }
        return nil
    }
}

extension APIKeyTable {
    func encode(into writer: inout ByteWriter) {
        writer.writeArray(sorted) { writer, key in
            writer.write(key.id)
            writer.write(key.user)
            writer.write(key.secretHash)
            writer.write(key.label)
            writer.write(key.role)
            writer.write(key.createdAt)
        }
    }

    init(from reader: inout ByteReader, limits: AuthorityLimits) throws(DecodeError) {
        self.init()
        var last: APIKeyID?
        for _ in 0..<(try reader.readCount(limit: limits.apiKeys)) {
            let key = APIKey(
                id: try reader.readIdentifier(of: APIKey.self), user: try reader.readText(UserName.self),
                secretHash: try reader.readBytes32(), label: try reader.readText(Label.self),
                role: try reader.readRole(), createdAt: try reader.readLogIndex())
            try requireAscending(key.id, after: &last)
            keys[key.id] = key
        }
    }
}
