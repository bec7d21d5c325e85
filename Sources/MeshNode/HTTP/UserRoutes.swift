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
        guard let name = UserName(wanted.username.normalised) else {
            throw Problem.invalid("A user name has 1 to 64 bytes and no control characters.")
        }
        guard Self.canStand(inPath: name.text) else {
            throw Problem.invalid("A user name has no slashes and is not `.` or `..`: it is part of addresses.")
        }
        guard !name.text.hasPrefix(LocalDoor.namePrefix) else {
            throw Problem.invalid(
                "Names that begin with `\(LocalDoor.namePrefix)` are kept for nodes' own command lines.")
        }
        guard let role = Role(name: wanted.role ?? "user") else { throw Problem.unknownRole }
        try Self.checkLength(ofPassword: wanted.password)
        guard surface.core.view.authority.users[name] == nil else { throw Problem.refused(.userExists) }
        let verifier = try await makeVerifier(wanted.password)
        _ = try await surface.commit(.createUser(name: name, verifier: verifier, role: role))
        return Response.json(.created) { text in
            text.field("username", name.text)
            text.field("role", role.description)
        }
    }

    private func makeVerifier(_ password: String) async throws(Problem) -> PasswordVerifier {
        try await surface.passwords.makeVerifier(password, like: surface.core.view.authority.users)
    }

    /// What no path can name could never be removed again (`RequestPath`).
    static func canStand(inPath name: String) -> Bool {
        !name.contains("/") && !name.contains("\\") && name != "." && name != ".."
    }

    /// Counts from the next request on; sessions go on.
    func setRole(_ exchange: Exchange) async throws -> Response {
        struct Wanted: Decodable { let role: String }
        let name = try Self.name(in: exchange)
        guard let role = Role(name: try await exchange.json(Wanted.self).role) else { throw Problem.unknownRole }
        _ = try await surface.commit(.setRole(name: name, role: role))
        return .noContent
    }

    /// One's own, with the present one; an admin may set another's without. All other sessions of that user end: whoever
    /// knew the old password is out.
    func setPassword(_ exchange: Exchange) async throws -> Response {
        struct Wanted: Decodable {
            let password: String
            let current_password: String?
        }
        let caller = try exchange.caller()
        let name = try Self.name(in: exchange)
        let wanted = try await exchange.json(Wanted.self)
        try Self.checkLength(ofPassword: wanted.password)
        if name == caller.user {
            guard let current = wanted.current_password else {
                throw Problem.invalid("Your own password is changed with `current_password`.")
            }
            _ = try await AuthRoutes(surface: surface).checkedUser(name, current, source: exchange.source)
        } else {
            guard caller.role == .admin else { throw Problem.auth(.roleTooLow(needed: .admin)) }
            guard surface.core.view.authority.users[name] != nil else { throw Problem.refused(.unknownUser) }
        }
        let verifier = try await makeVerifier(wanted.password)
        _ = try await surface.commit(.setPassword(name: name, verifier: verifier))
        _ = try await surface.commit(.revokeAllSessions(of: name, except: caller.session))
        return .noContent
    }

    private static func name(in exchange: Exchange) throws(Problem) -> UserName {
        guard let name = UserName(exchange.parameter.normalised) else {
            throw .refused(.unknownUser)
        }
        return name
    }

    private static func checkLength(ofPassword password: String) throws(Problem) {
        guard (passwordBytesMin...PasswordChecker.passwordBytesMax).contains(password.utf8.count) else {
            throw .invalid("A password has \(passwordBytesMin) to \(PasswordChecker.passwordBytesMax) bytes.")
        }
    }

    /// Ends the user's sessions and API keys with it.
    func remove(_ exchange: Exchange) async throws -> Response {
        let name = try Self.name(in: exchange)
        _ = try await surface.commit(.removeUser(name: name))
        return .noContent
    }
}

extension Problem {
    static let unknownRole = Problem.invalid(
        "The role is one of " + Role.allCases.map { "`\($0)`" }.joined(separator: ", ") + ".")
}
