/// What a user or an API key may do. The raw value is its place in encodings.
package enum Role: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// Generation, the shared values, own sessions and own keys.
    case user = 0
    /// Also sees and operates the mesh: status of others, drains, transfers.
    case `operator` = 1
    /// Everything, users and credentials included.
    case admin = 2
    /// A program: generation only, never an interactive sign-in.
    case service = 3

    /// How far the role reaches; a role contains every role of lower reach.
    package var reach: Int {
        switch self {
        case .service: 0
        case .user: 1
        case .operator: 2
        case .admin: 3
        }
    }

    /// The lesser of two roles: a key never reaches further than its owner does now.
    package func capped(by other: Role) -> Role { reach <= other.reach ? self : other }

    /// The role of this name, as configuration and requests spell it.
    package init?(name: String) {
        guard let role = Self.allCases.first(where: { $0.description == name }) else { return nil }
        self = role
    }

    package var description: String {
        switch self {
        case .user: "user"
        case .operator: "operator"
        case .admin: "admin"
        case .service: "service"
        }
    }
}
