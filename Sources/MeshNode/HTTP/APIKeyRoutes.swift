import Authority
import Foundation
import Hummingbird
import NodeCore

/// Credentials for programs. A key's secret is in one reply, once; afterwards the mesh itself could not tell it.
struct APIKeyRoutes {
    let surface: HTTPSurface

    /// Mine; an admin may ask for everybody's.
    func list(_ exchange: Exchange) throws(Problem) -> Response {
        let caller = try exchange.caller()
        let wantsAll = exchange.path.queryValue("all") == "true"
        guard !wantsAll || caller.role == .admin else { throw .auth(.roleTooLow(needed: .admin)) }
        let table = surface.core.view.authority.apiKeys
        let keys = wantsAll ? table.sorted : table.keys(of: caller.user)
        return Response.json { text in
            text.key("keys")
            text.open("[")
            for key in keys.prefix(1000) {
                text.open("{")
                text.field("id", key.id.description)
                text.field("username", key.user.text)
                text.field("label", key.label.text)
                text.field("role", key.role.description)
                text.close("}")
            }
            text.close("]")
        }
    }

    /// Only with a session: a key that could make keys would outlive its own revocation.
    func create(_ exchange: Exchange) async throws -> Response {
        struct NewKey: Decodable {
            let label: String?
            let role: String?
        }
        let caller = try exchange.caller()
        guard caller.session != nil else {
            throw Problem(
                "session-needed", .forbidden, "Not allowed", detail: "Sign in to make keys: a key cannot make one.")
        }
        let wanted = try await exchange.json(NewKey.self)
        guard let role = Role(name: wanted.role ?? "service") else { throw Problem.unknownRole }
        guard role.reach <= caller.role.reach else { throw Problem.auth(.roleTooLow(needed: role)) }
        let secret = APIKeySecret.draw()
        let label = Label(sanitising: wanted.label ?? "")
        _ = try await surface.commit(
            .createAPIKey(
                APIKeyGrant(id: secret.id, user: caller.user, secretHash: secret.hash, label: label, role: role)))
        return Response.json(.created) { text in
            text.field("id", secret.id.description)
            text.field("key", secret.text)
            text.field("username", caller.user.text)
            text.field("label", label.text)
            text.field("role", role.description)
        }
    }

    func remove(_ exchange: Exchange) async throws -> Response {
        let caller = try exchange.caller()
        guard let id = APIKeyID(hex: exchange.parameter), let key = surface.core.view.authority.apiKeys[id],
            key.user == caller.user || caller.role == .admin
        else { throw Problem.notFound("There is no such key of yours.") }
        _ = try await surface.commit(.revokeAPIKey(id))
        return .noContent
    }
}
