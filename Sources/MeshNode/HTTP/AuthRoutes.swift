import Authority
import Foundation
import HTTPTypes
import Hummingbird
import NodeCore
import Primitives

/// Signing in, staying signed in, signing out (docs/API.md, "Sign-in").
struct AuthRoutes {
    let surface: HTTPSurface

    private struct Credentials: Decodable {
        let username: String
        let password: String
        let scope: String?
    }

    /// Answers only after this node has applied the grant: the token it returns is good here at once, and anywhere
    /// else that has applied as much or waits for it.
    func login(_ exchange: Exchange) async throws -> Response {
        let credentials = try await exchange.json(Credentials.self)
        guard credentials.scope ?? "mesh" == "mesh" else {
            throw Problem.invalid("The scope must be `mesh`: this version signs in to the whole mesh only.")
        }
        guard let name = UserName(credentials.username.normalised),
            credentials.password.utf8.count <= PasswordChecker.passwordBytesMax
        else { throw Problem.wrongPassword }
        let user = try await checkedUser(name, credentials.password, source: exchange.source)
        guard user.role != .service else {
            throw Problem(
                "service-account", .forbidden, "Not for signing in",
                detail: "\(name) is a program's account: use an API key.")
        }
        let token = RefreshToken.draw(for: .random())
        let terms = try await grant(token, to: user, exchange)
        return try await signedIn(terms, token, role: user.role, isBrowser: exchange.isFromBrowser)
    }

    /// Counts against the limits on tries, as every check of a password does.
    func checkedUser(_ name: UserName, _ password: String, source: String) async throws(Problem) -> User {
        if let seconds = surface.loginGuard.begin(user: name, source: source, now: surface.core.now()) {
            throw .tooMany("Too many tries to sign in. Wait \(seconds) s.", retryAfterSeconds: seconds)
        }
        let user = surface.core.view.authority.users[name]
        guard try await surface.passwords.verify(password, against: user?.verifier), let user else {
            throw .wrongPassword
        }
        surface.loginGuard.succeeded(user: name, source: source)
        return user
    }

    private func grant(
        _ token: RefreshToken, to user: User, _ exchange: Exchange
    ) async throws(Problem) -> SessionTerms {
        let client = exchange.request.headers[.userAgent] ?? ""
        let reply = try await surface.commit(
            .grantSession(
                SessionGrant(
                    id: token.session, user: user.name, passwordRevision: user.passwordRevision,
                    node: exchange.via ?? surface.core.view.me, refreshHash: token.hash,
                    label: Label(sanitising: client))))
        guard case .granted(let terms) = reply else { throw .refused(.malformed) }
        return terms
    }

    private func signedIn(
        _ terms: SessionTerms, _ token: RefreshToken, role: Role, isBrowser: Bool
    ) async throws -> Response {
        let accessToken =
            isBrowser ? nil : try await issue(terms.id, of: terms.user, role: role, grantedAt: terms.grantedAt)
        let secret = isBrowser ? BrowserCookie.drawSecret() : nil
        var response = Response.json { text in
            if let accessToken {
                text.field("access_token", accessToken)
                text.field("refresh_token", token.text)
                text.field("token_type", "Bearer")
                text.field("expires_in", AccessToken.lifetimeSeconds)
            }
            if let secret { text.field("session_secret", secret) }
            text.field("session_id", terms.id.description)
            text.field("scope", "mesh")
            text.field("username", terms.user.text)
            text.field("role", role.description)
        }
        response.headers[.setCookie] = secret.map {
            surface.browserRefresher.field(
                for: token, expiresAt: terms.expiresAt, secret: $0, node: surface.core.view.me)
        }
        return response
    }

    private func issue(_ session: SessionID, of user: UserName, role: Role, grantedAt: LogIndex) async throws -> String
    {
        try await surface.issuer.issue(session, of: user, role: role, grantedAt: grantedAt)
    }

    func refresh(_ exchange: Exchange) async throws -> Response {
        struct Presented: Decodable { let refresh_token: String }
        let presented = try await exchange.json(Presented.self)
        guard let token = RefreshToken(presented.refresh_token) else { throw Problem.auth(.malformed) }
        try await requireKnown(token.session)
        let reply = try await surface.commit(.rotateRefresh(token.rotation(to: .draw(for: token.session))))
        guard case .rotated(let terms, let sealed) = reply, let successor = token.openSuccessor(sealed),
            let role = surface.core.view.authority.users[terms.user]?.role
        else { throw Problem.auth(.revoked) }
        return try await signedIn(terms, successor, role: role, isBrowser: false)
    }

    /// Keeps made-up tokens out of the log. A session that is not known here may be newer than what is applied here, so
    /// the node catches up before it says no.
    private func requireKnown(_ session: SessionID) async throws(Problem) {
        guard surface.core.view.authority.sessions[session] == nil else { return }
        do { try await surface.core.readBarrier() } catch { throw .core(error) }
        guard surface.core.view.authority.sessions[session] != nil else { throw .auth(.revoked) }
    }

    /// Answers after the commit: every node that reaches the primary refuses the session from the next heartbeat on.
    func logout(_ exchange: Exchange) async throws -> Response {
        let caller = try exchange.caller()
        guard let session = caller.session else {
            throw Problem.invalid("An API key has no session to end. Delete the key instead.")
        }
        try await surface.end(session)
        var response = Response.noContent
        if case .cookie = caller.proof {
            response.headers[.setCookie] = BrowserCookie.removal(node: surface.core.view.me)
        }
        return response
    }

    /// An access token for a page that is signed in by cookie, for `/api` and `/v1`, where cookies do not count. The
    /// page keeps it in memory and asks again when it expires.
    func browserToken(_ exchange: Exchange) async throws -> Response {
        let caller = try exchange.caller()
        guard case .cookie(let id) = caller.proof, let session = surface.core.view.authority.sessions[id] else {
            throw Problem.invalid("This exchanges a browser's cookie for an access token; you hold a bearer already.")
        }
        let token = try await issue(id, of: caller.user, role: caller.role, grantedAt: session.grantedAt)
        return Response.json { text in
            text.field("access_token", token)
            text.field("token_type", "Bearer")
            text.field("expires_in", AccessToken.lifetimeSeconds)
        }
    }

    func me(_ exchange: Exchange) throws(Problem) -> Response {
        let caller = try exchange.caller()
        return Response.json { text in
            text.field("username", caller.user.text)
            text.field("role", caller.role.description)
            text.field("session_id", caller.session?.description)
            text.field("node", surface.core.view.name)
        }
    }
}

extension Exchange {
    /// The interface says so of itself; no other page can make a browser send this header here.
    fileprivate var isFromBrowser: Bool { request.headers[.meshClient] == "browser" }
}
