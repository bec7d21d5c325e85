import Authority
import Foundation
import Hummingbird
import NodeCore

/// Who may sign in. For admins; the route table sees to that.
struct UserRoutes {
    let surface: HTTPSurface

    /// Short enough to remember, long enough that a guess a second takes for ever (NIST SP 800-63B §5.1.1).
    static let passwordBytesMin = 8

    func list(_ exchange: Exchange) throws(Problem) -> Response {
        Response.json { text in
            text.key("users")
            text.open("[")
            for user in surface.core.view.authority.users.sorted {
                text.open("{")
                text.field("username", user.name.text)
                text.field("role", user.role.description)
                text.field("sessions", surface.core.view.authority.sessions.sessions(of: user.name).count)
                text.close("}")
            }
            text.close("]")
        }
    }

    func create(_ exchange: Exchange) async throws -> Response {
        struct NewUser: Decodable {
            let username: String
            let password: String
            let role: String?
        }
        let wanted = try await exchange.json(NewUser.self)
        guard let name = UserName(wanted.username.precomposedStringWithCanonicalMapping) else {
            throw Problem.invalid("A user name has 1 to 64 bytes and no control characters.")
        }
        guard let role = Role(name: wanted.role ?? "user") else { throw Problem.unknownRole }
        guard (Self.passwordBytesMin...PasswordChecker.passwordBytesMax).contains(wanted.password.utf8.count) else {
            throw Problem.invalid(
                "A password has \(Self.passwordBytesMin) to \(PasswordChecker.passwordBytesMax) bytes.")
        }
        guard surface.core.view.authority.users[name] == nil else { throw Problem.refused(.userExists) }
        let verifier = try await surface.passwords.makeVerifier(wanted.password)
        _ = try await surface.commit(.createUser(name: name, verifier: verifier, role: role))
        return Response.json(.created) { text in
            text.field("username", name.text)
            text.field("role", role.description)
        }
    }

    /// Ends the user's sessions and API keys with it.
    func remove(_ exchange: Exchange) async throws -> Response {
        guard let name = UserName(exchange.parameter.precomposedStringWithCanonicalMapping) else {
            throw Problem.refused(.unknownUser)
        }
        _ = try await surface.commit(.removeUser(name: name))
        return .noContent
    }
}

extension Problem {
    static let unknownRole = Problem.invalid(
        "The role is one of " + Role.allCases.map { "`\($0)`" }.joined(separator: ", ") + ".")
}
