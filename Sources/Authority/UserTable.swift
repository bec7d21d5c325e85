import HashTreeCollections
import Primitives

/// Someone who may sign in.
package struct User: Hashable, Sendable {
    package let name: UserName
    package fileprivate(set) var verifier: PasswordVerifier
    package fileprivate(set) var role: Role
    package let createdAt: LogIndex
    /// The entry that set the present password: a grant names it, so that a sign-in checked against an older password
    /// is refused.
    package fileprivate(set) var passwordRevision: LogIndex
}

/// The users of the mesh. There is none, or at least one is an admin: nobody can lock everybody out, and the rule for
/// the first user cannot come to apply a second time.
package struct UserTable: Equatable, Sendable {
    private var users: TreeDictionary<UserName, User> = [:]
    private var adminCount = 0

    package init() {}

    package var count: Int { users.count }
    package var isEmpty: Bool { users.isEmpty }
    package subscript(name: UserName) -> User? { users[name] }
    /// By name.
    package var sorted: [User] { users.values.sorted { $0.name < $1.name } }

    mutating func create(
        _ name: UserName, verifier: PasswordVerifier, role: Role, at index: LogIndex, limits: AuthorityLimits
    ) -> AuthorityReply {
        guard users[name] == nil else { return .refused(.userExists) }
        guard !users.isEmpty || role == .admin else { return .refused(.adminRequired) }
        guard users.count < limits.users else { return .refused(.limitReached) }
        insert(User(name: name, verifier: verifier, role: role, createdAt: index, passwordRevision: index))
        return .done
    }

    mutating func setPassword(_ name: UserName, verifier: PasswordVerifier, at index: LogIndex) -> AuthorityReply {
        guard var user = users[name] else { return .refused(.unknownUser) }
        user.verifier = verifier
        user.passwordRevision = index
        users[name] = user
        return .done
    }

    mutating func setRole(_ name: UserName, role: Role) -> AuthorityReply {
        guard var user = users[name] else { return .refused(.unknownUser) }
        guard role == .admin || !isLastAdmin(user) else { return .refused(.adminRequired) }
        if user.role == .admin { adminCount -= 1 }
        if role == .admin { adminCount += 1 }
        user.role = role
        users[name] = user
        return .done
    }

    mutating func remove(_ name: UserName) -> AuthorityReply {
        guard let user = users[name] else { return .refused(.unknownUser) }
        guard !isLastAdmin(user) else { return .refused(.adminRequired) }
        users[name] = nil
        if user.role == .admin { adminCount -= 1 }
        return .done
    }

    private mutating func insert(_ user: User) {
        users[user.name] = user
        if user.role == .admin { adminCount += 1 }
    }

    private func isLastAdmin(_ user: User) -> Bool { user.role == .admin && adminCount == 1 }

    /// What is wrong with the table, or nil.
    func violation(limits: AuthorityLimits, appliedIndex: LogIndex) -> String? {
        let admins = users.values.count { $0.role == .admin }
        guard admins == adminCount else { return "\(admins) admins, counted as \(adminCount)" }
        guard users.isEmpty || admins > 0 else { return "\(users.count) users without an admin" }
        guard users.count <= limits.users else { return "\(users.count) users exceed \(limits.users)" }
        let inOrder = users.values.allSatisfy {
            $0.createdAt <= $0.passwordRevision && $0.passwordRevision <= appliedIndex
        }
        return inOrder ? nil : "a user's password is older than the user or newer than the log at \(appliedIndex)"
    }
}

extension UserTable {
    func encode(into writer: inout ByteWriter) {
        writer.writeArray(sorted) { writer, user in
            writer.write(user.name)
            writer.write(user.verifier)
            writer.write(user.role)
            writer.write(user.createdAt)
            writer.write(user.passwordRevision)
        }
    }

    init(from reader: inout ByteReader, limits: AuthorityLimits) throws(DecodeError) {
        self.init()
        var last: UserName?
        for _ in 0..<(try reader.readCount(limit: limits.users)) {
            let user = User(
                name: try reader.readText(UserName.self), verifier: try reader.readVerifier(),
                role: try reader.readRole(), createdAt: try reader.readLogIndex(),
                passwordRevision: try reader.readLogIndex())
            try requireAscending(user.name, after: &last)
            insert(user)
        }
    }
}

/// Snapshots are sorted, so that equal states have equal bytes; anything else is no snapshot of ours.
func requireAscending<Key: Comparable>(_ key: Key, after last: inout Key?) throws(DecodeError) {
    if let last, key <= last { throw .invalid("order") }
    last = key
}
