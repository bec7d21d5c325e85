import Authority
import Hummingbird
import NodeCore
import Primitives
import SecureChannel

/// Invitations for machines. The text of a token is in one reply, once; afterwards only core nodes could open its secret.
struct JoinTokenRoutes {
    let surface: HTTPSurface

    private static let lifetimes: ClosedRange<Int64> = 60...(7 * 24 * 3600)
    private static let lifetimeDefault: Int64 = 3600

    func list() -> Response {
        let view = surface.core.view
        let now = view.unixTime(at: surface.core.now())
        return Response.json { text in
            text.key("tokens")
            text.open("[")
            for token in view.authority.roster.tokens {
                text.open("{")
                text.field("id", token.id.description)
                Self.write(token, view, &text)
                text.field("state", Self.state(of: token, at: now))
                text.field("used_by", token.usedBy.map { node in Self.name(of: node, view) })
                text.close("}")
            }
            text.close("]")
        }
    }

    func create(_ exchange: Exchange) async throws -> Response {
        struct Wish: Decodable {
            let `class`: String?
            let rank: Int?
            let role: String?
            let label: String?
            let ttl_seconds: Int64?
        }
        let caller = try exchange.caller()
        let wish = try await exchange.json(Wish.self)
        guard let trustClass = TrustClass(rawValue: wish.class ?? "edge") else {
            throw Problem.invalid("`class` is core or edge.")
        }
        let role = wish.role ?? "observer"
        guard role == "observer" || role == "voter" else { throw Problem.invalid("`role` is observer or voter.") }
        guard let rank = UInt16(exactly: wish.rank ?? 0), rank <= 1000 else {
            throw Problem.invalid("`rank` is 0 to 1000.")
        }
        let lifetime = wish.ttl_seconds ?? Self.lifetimeDefault
        guard Self.lifetimes.contains(lifetime) else {
            throw Problem.invalid("`ttl_seconds` is \(Self.lifetimes.lowerBound) to \(Self.lifetimes.upperBound).")
        }
        var entropy = SodiumEntropy()
        let id = entropy.bytes(JoinChannel.tokenIDByteCount)
        let secret = SecretBytes(random: 32, from: &entropy)
        var made: JoinToken?
        try await RosterDesk(surface: surface).commit { view throws(Problem) in
            guard let now = view.unixTime(at: surface.core.now()) else { throw .refused(.clockNotSet) }
            let token = Self.make(
                id, secret, view: view, isCore: trustClass == .core, rank: rank, mayVote: role == "voter",
                expiresAt: now + .seconds(lifetime), author: caller.user, label: Label(sanitising: wish.label ?? ""))
            made = token
            return .issueToken(token)
        }
        guard let token = made else { preconditionFailure("a committed record was made") }
        let view = surface.core.view
        let ticket = JoinTicket(
            id: id, secret: secret, cluster: view.clusterID, expiresAtMilliseconds: token.expiresAt.milliseconds,
            cores: Self.cores(view))
        return Response.json(.created) { text in
            text.field("id", token.id.description)
            text.field("token", ticket.encode())
            Self.write(token, view, &text)
        }
    }

    func remove(_ exchange: Exchange) async throws -> Response {
        guard let id = JoinTokenID(hex: exchange.parameter), surface.core.view.authority.roster.token(id) != nil else {
            throw Problem.notFound("There is no such join token.")
        }
        try await RosterDesk(surface: surface).commit { _ throws(Problem) in .revokeToken(id) }
        return .noContent
    }

    /// Each core node can let the machine in, and so has a copy.
    private static func make(
        _ id: [UInt8], _ secret: SecretBytes, view: ClusterView, isCore: Bool, rank: UInt16, mayVote: Bool,
        expiresAt: UnixTime, author: UserName, label: Label
    ) -> JoinToken {
        var entropy = SodiumEntropy()
        var copies: [SecretRotation.Copy] = []
        for entry in view.roster.present where entry.isCore {
            let context = JoinTicket.context(cluster: view.clusterID, id: id, node: entry.node)
            guard let key = entry.keys?.exchangeKey,
                let sealed = SealedSecret.seal(secret, to: key, context: context, entropy: &entropy)
            else { continue }
            copies.append(SecretRotation.Copy(node: entry.node, sealed: sealed))
        }
        guard let tokenID = JoinTokenID(bytes: id) else { preconditionFailure("\(id.count) bytes are no token's id") }
        return JoinToken(
            id: tokenID, isCore: isCore, rank: rank, mayVote: mayVote, expiresAt: expiresAt, issuer: view.me,
            author: author, label: label, copies: copies)
    }

    /// Where to ask: core nodes whose address is known, this one first.
    private static func cores(_ view: ClusterView) -> [JoinTicket.Core] {
        let entries = view.roster.present.filter(\.isCore).sorted { a, _ in a.node == view.me }
        return entries.compactMap { entry in
            guard let key = entry.keys?.exchangeKey, let endpoint = view.member(entry.node)?.endpoint else {
                return nil
            }
            return JoinTicket.Core(exchangeKey: key, endpoint: endpoint)
        }
    }

    private static func write(_ token: JoinToken, _ view: ClusterView, _ text: inout JSONText) {
        text.field("class", (token.isCore ? TrustClass.core : .edge).rawValue)
        text.field("role", token.mayVote ? "voter" : "observer")
        text.field("rank", Int(token.rank))
        text.field("label", token.label.text)
        text.field("expires_at", token.expiresAt.iso8601)
        text.field("author", token.author.text)
        text.field("made_on", name(of: token.issuer, view))
    }

    private static func state(of token: JoinToken, at now: UnixTime?) -> String {
        if token.usedBy != nil { return "used" }
        return now.map { $0 >= token.expiresAt } ?? false ? "expired" : "open"
    }

    private static func name(of node: NodeID, _ view: ClusterView) -> String {
        view.roster.entries.first { $0.node == node }?.name ?? node.description
    }
}
