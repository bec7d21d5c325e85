import Authority
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NodeCore
import Primitives

/// How an edge node has a core node do what it does not do itself: check passwords, make credentials, sign tokens, seal and
/// open shared values. What a client asks goes to a core node's HTTP port as it was asked, in a sealed stream, and the answer
/// comes back, so people sign in at any node.
///
///     client --login--> edge node ==sealed stream==> core node: password, grant, token
///            <-tokens--           <================
///
/// The core node believes nothing that the edge node says of the caller: what goes along is the client's own credential. A
/// browser has none that another node could open, so the edge node exchanges the refresh token in its cookie for a bearer
/// first, and keeps the successor in a new cookie.
struct CoreDesk {
    let surface: HTTPSurface

    /// Until this node has applied what the core node's answer rests on.
    private static let catchUpTimeoutMax: Duration = .seconds(1)
    private static let requestBytesMax = 16 << 10

    var view: ClusterView { surface.core.view }

    func serve(_ operation: Operation, _ exchange: Exchange) async throws -> Response {
        switch operation {
        case .login: return try await login(exchange)
        case .browserToken: return try await browserToken(exchange)
        case .refresh: return try await refresh(exchange)
        case .readValue, .writeValue: return try await value(operation, exchange)
        default: return try await pass(exchange, limit: Self.requestBytesMax)
        }
    }

    // MARK: Operations

    /// Tries count here as well, or somebody at the door of an edge node would spend the tries of all who sign in there.
    private func login(_ exchange: Exchange) async throws -> Response {
        struct Credentials: Decodable { let username: String }
        let body = try await exchange.body(limit: Self.requestBytesMax)
        let name = (try? JSONDecoder().decode(Credentials.self, from: Data(body.readableBytesView)))
            .flatMap { UserName($0.username.normalised) }
        if let name,
            let seconds = surface.loginGuard.begin(user: name, source: exchange.source, now: surface.core.now())
        {
            throw Problem.tooMany("Too many tries to sign in. Wait \(seconds) s.", retryAfterSeconds: seconds)
        }
        let reply = try await ask(.post, "/mesh/v1/auth/login", client: exchange.request.headers, body: body)
        guard let tokens = reply.tokens else { return Response(reply.whole) }
        if let name { surface.loginGuard.succeeded(user: name, source: exchange.source) }
        await catchUp(with: tokens)
        guard exchange.request.headers[.meshClient] == "browser" else { return Response(reply.whole) }
        guard let session = view.authority.sessions[tokens.refresh.session] else {
            throw Problem.auth(.notYetApplied(tokens.grantedAt))
        }
        let secret = BrowserCookie.drawSecret()
        var response = Response.json { text in
            text.field("session_secret", secret)
            text.field("session_id", session.id.description)
            text.field("scope", "mesh")
            text.field("username", session.user.text)
            text.field("role", view.authority.users[session.user]?.role.description)
        }
        response.headers[.setCookie] = surface.browserRefresher.field(
            for: tokens.refresh, expiresAt: session.expiresAt, secret: secret, node: view.me)
        return response
    }

    private func refresh(_ exchange: Exchange) async throws -> Response {
        let body = try await exchange.body(limit: Self.requestBytesMax)
        let reply = try await ask(.post, "/mesh/v1/auth/refresh", client: exchange.request.headers, body: body)
        if let tokens = reply.tokens { await catchUp(with: tokens) }
        return Response(reply.whole)
    }

    private func browserToken(_ exchange: Exchange) async throws -> Response {
        guard case .cookie = try exchange.caller().proof else {
            throw Problem.invalid("This exchanges a browser's cookie for an access token; you hold a bearer already.")
        }
        let renewed = try await renew(exchange.request.headers)
        var response = Response.json { text in
            text.field("access_token", renewed.access)
            text.field("token_type", "Bearer")
            text.field("expires_in", AccessToken.lifetimeSeconds)
        }
        response.headers[.setCookie] = renewed.cookie
        return response
    }

    /// As it was asked, with the caller's bearer or one for its cookie.
    private func pass(_ exchange: Exchange, limit: Int) async throws -> Response {
        let body = try await exchange.body(limit: limit)
        var fields = exchange.request.headers
        var cookie: String?
        if case .cookie = try exchange.caller().proof {
            let renewed = try await renew(fields)
            fields[.authorization] = "Bearer \(renewed.access)"
            cookie = renewed.cookie
        }
        // An answer without a body says nothing of the body's length; `Responder` leaves it out again.
        let method = exchange.request.method == .head ? .get : exchange.request.method
        let reply = try await ask(method, exchange.request.head.path ?? "/", client: fields, body: body)
        var response = Response(reply.whole)
        response.headers[.setCookie] = cookie
        return response
    }

    /// Then this node shows what was written, as it does what it writes itself.
    private func value(_ operation: Operation, _ exchange: Exchange) async throws -> Response {
        let response = try await pass(
            exchange, limit: operation == .writeValue ? AuthorityLimits.standard.valueBytes : 0)
        if operation == .writeValue, response.status.kind == .successful,
            let revision = response.headers[.eTag].flatMap({ UInt64($0.dropFirst().dropLast()) })
        {
            await surface.core.wait(atMost: Self.catchUpTimeoutMax) { $0.consensus.appliedIndex >= LogIndex(revision) }
        }
        return response
    }

    // MARK: Browsers

    /// A new cookie for a browser whose session was refreshed long ago, or nil; see `BrowserRefresher`.
    func renewedCookie(_ fields: HTTPFields) async -> String? {
        guard surface.browserRefresher.isDue(fields, core: surface.core) else { return nil }
        return try? await renew(fields).cookie
    }

    /// Exchanges the refresh token of a browser's cookie at a core node.
    private func renew(_ fields: HTTPFields) async throws -> (access: String, cookie: String) {
        let now = surface.core.now()
        guard let (cookie, secret) = surface.browserRefresher.open(fields, node: view.me),
            let session = view.authority.sessions[cookie.session],
            // Presenting any other would end the session.
            session.accepts(cookie.refreshToken.hash, now: view.logTime + (now - view.takenAt))
        else { throw Problem.auth(.revoked) }
        var text = JSONText()
        text.open("{")
        text.field("refresh_token", cookie.refreshToken.text)
        text.close("}")
        let reply = try await ask(.post, "/mesh/v1/auth/refresh", client: fields, body: text.buffer)
        guard let tokens = reply.tokens else { throw Problem.auth(.revoked) }
        await catchUp(with: tokens)
        await surface.core.wait(atMost: Self.catchUpTimeoutMax) { view in
            view.authority.sessions[cookie.session]?.accepts(tokens.refresh.hash, now: view.logTime) ?? true
        }
        guard let renewed = view.authority.sessions[cookie.session] else { throw Problem.auth(.revoked) }
        return (
            tokens.access,
            surface.browserRefresher.field(
                for: tokens.refresh, expiresAt: renewed.expiresAt, secret: secret, node: view.me)
        )
    }

    // MARK: Catching up

    /// The tokens that an answer brings are good here at once.
    private func catchUp(with tokens: IssuedTokens) async {
        await surface.core.wait(atMost: Self.catchUpTimeoutMax) { view in
            view.authority.sessions[tokens.refresh.session] != nil && view.authority.signingKeys[tokens.key] != nil
        }
    }
}

extension Operation {
    /// Checks a password, makes a credential or signs a token: for core nodes.
    var needsCore: Bool {
        switch self {
        case .login, .refresh, .browserToken, .createUser, .setRole, .setPassword, .removeUser, .createKey: true
        default: false
        }
    }

    /// Seals or opens a value: for who holds data keys.
    var needsDataKey: Bool { self == .readValue || self == .writeValue }
}

extension HTTPSurface {
    /// Values go to core nodes once the mesh seals them; until then every node stores them as they are.
    func goesToCore(_ operation: Operation, _ view: ClusterView) -> Bool {
        guard operation.needsCore || operation.needsDataKey else { return false }
        return isEdge(view) && (operation.needsCore || view.authority.featureLevel >= .sealedValues)
    }

    /// By the mesh's roster or by its own configuration.
    func isEdge(_ view: ClusterView) -> Bool { config.trustClass == .edge || !view.mayGrant(view.me) }
}

extension ClusterView {
    /// Whether sessions and tokens of this node count: not those of an edge machine, which can be stolen. Where no roster is
    /// known, everybody's.
    package func mayGrant(_ node: NodeID) -> Bool { roster.entry(of: node)?.isCore ?? roster.entries.isEmpty }
}
