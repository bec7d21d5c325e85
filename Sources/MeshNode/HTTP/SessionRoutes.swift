import Authority
import Foundation
import Hummingbird
import NodeCore
import Primitives

/// Where someone is signed in, and ending it.
struct SessionRoutes {
    let surface: HTTPSurface

    /// Mine, newest first; an admin may ask for everybody's.
    func list(_ exchange: Exchange) throws(Problem) -> Response {
        let caller = try exchange.caller()
        let view = surface.core.view
        let wantsAll = exchange.path.queryValue("all") == "true"
        guard !wantsAll || caller.role == .admin else { throw .auth(.roleTooLow(needed: .admin)) }
        let sessions = wantsAll ? view.authority.sessions.sorted : view.authority.sessions.sessions(of: caller.user)
        let now = view.unixTime(at: surface.core.now())
        let living = sessions.filter { session in now.map { $0 < session.expiresAt } ?? true }
        return Response.json { text in
            text.key("sessions")
            text.open("[")
            for session in living.sorted(by: { $0.grantedAt > $1.grantedAt }).prefix(Self.listedMax) {
                Self.write(session, isCurrent: session.id == caller.session, view, &text)
            }
            text.close("]")
        }
    }

    private static let listedMax = 1000

    private static func write(_ session: Session, isCurrent: Bool, _ view: ClusterView, _ text: inout JSONText) {
        text.open("{")
        text.field("id", session.id.description)
        text.field("username", session.user.text)
        text.field("node", view.member(session.grantedBy)?.name ?? session.grantedBy.description)
        text.field("client", session.label.text)
        text.field("created_at", session.createdAt.iso8601)
        text.field("last_refreshed_at", session.lastRefreshedAt.iso8601)
        text.field("expires_at", session.expiresAt.iso8601)
        text.field("current", isCurrent)
        text.close("}")
    }

    /// Another's session is not found, unless an admin asks: ids tell nothing to who should not know them.
    func end(_ exchange: Exchange) async throws -> Response {
        let caller = try exchange.caller()
        guard let id = SessionID(hex: exchange.parameter),
            let session = surface.core.view.authority.sessions[id],
            session.user == caller.user || caller.role == .admin
        else { throw Problem.notFound("There is no such session of yours.") }
        try await surface.end(id)
        return .noContent
    }

    /// Everywhere that someone is signed in, but for the session that asks. An admin may name another user.
    func endAll(_ exchange: Exchange) async throws -> Response {
        let caller = try exchange.caller()
        guard let text = exchange.path.queryValue("user"),
            let name = UserName(text.normalised)
        else { throw Problem.invalid("Name the user whose sessions are to end, as `?user=NAME`.") }
        guard name == caller.user || caller.role == .admin else { throw Problem.auth(.roleTooLow(needed: .admin)) }
        let reply = try await surface.commit(.revokeAllSessions(of: name, except: caller.session))
        guard case .sessionsEnded(let count) = reply else { throw Problem.refused(.malformed) }
        return Response.json { $0.field("ended", count) }
    }
}

extension UnixTime {
    /// UTC, whole seconds, e.g. `2026-01-31T23:59:59Z` (RFC 3339).
    var iso8601: String { Date(timeIntervalSince1970: Double(seconds)).ISO8601Format() }
}
