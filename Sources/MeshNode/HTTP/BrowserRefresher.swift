import Authority
import Crypto
import HTTPTypes
import NodeCore
import Primitives
import Synchronization

/// Keeps the sessions of browsers from lapsing: when one was last refreshed long ago, the next request exchanges the
/// refresh token in its cookie and takes a new cookie home.
///
/// Exchanged at most once for each cookie, because a replaced token that comes back ends its session: a cookie whose
/// session has another expiry by now is stale and is left alone. If the answer with the new cookie is lost, the old one
/// goes on working until the session lapses, a week after its last refresh.
final class BrowserRefresher: Sendable {
    /// How old a refresh must be. Lowering it costs log entries; it must stay far below `Session.refreshLifetime`.
    static let interval = Duration.seconds(6 * 3600)

    private let key: SymmetricKey
    private let isSecure: Bool
    private let busy = Mutex<Set<SessionID>>([])

    init(secrets: NodeSecrets, isSecure: Bool) {
        key = secrets.cookieKey
        self.isSecure = isSecure
    }

    func field(for token: RefreshToken, expiresAt: UnixTime, secret: String, node: NodeID) -> String {
        BrowserCookie(token, expiresAt: expiresAt).field(node: node, secret: secret, key: key, isSecure: isSecure)
    }

    /// The cookie in a request and the secret beside it, if they fit.
    func open(_ fields: HTTPFields, node: NodeID) -> (cookie: BrowserCookie, secret: String)? {
        guard let secret = fields[.meshSessionSecret], let value = BrowserCookie.find(in: fields, node: node),
            let cookie = BrowserCookie(opening: value, secret: secret, key: key)
        else { return nil }
        return (cookie, secret)
    }

    /// Whether the session of the cookie in a request was refreshed long ago.
    func isDue(_ fields: HTTPFields, core: any MeshCore) -> Bool { due(fields, core: core) != nil }

    private func due(_ fields: HTTPFields, core: any MeshCore) -> (cookie: BrowserCookie, secret: String)? {
        let view = core.view
        guard let (cookie, secret) = open(fields, node: view.me),
            let session = view.authority.sessions[cookie.session], session.expiresAt == cookie.expiresAt,
            view.primary(at: core.now()) != nil, let time = view.unixTime(at: core.now()),
            session.lastRefreshedAt + Self.interval < time
        else { return nil }
        return (cookie, secret)
    }

    /// The `Set-Cookie` value that the answer to this request should carry, or nil. Failure to refresh is no failure of
    /// the request: the next one tries again.
    func renewedCookie(_ fields: HTTPFields, core: any MeshCore) async -> String? {
        guard let (cookie, secret) = due(fields, core: core), busy.withLock({ $0.insert(cookie.session).inserted })
        else { return nil }
        defer { busy.withLock { _ = $0.remove(cookie.session) } }

        let rotation = cookie.refreshToken.rotation(to: .draw(for: cookie.session))
        guard let committed = try? await core.submit(.rotateRefresh(rotation)),
            case .rotated(let terms, let sealed) = committed.reply,
            let successor = cookie.refreshToken.openSuccessor(sealed)
        else { return nil }
        return field(for: successor, expiresAt: terms.expiresAt, secret: secret, node: core.view.me)
    }
}
