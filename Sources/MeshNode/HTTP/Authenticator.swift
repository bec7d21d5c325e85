import Authority
import Crypto
import Foundation
import HTTPTypes
import NodeCore
import Primitives
import Synchronization

/// Tells who sent a request, from its credential and the replicated state. Synchronous and safe from any thread: the
/// gateway's channel handler and Hummingbird's responder share one.
///
/// The intuition: a signature proves that some node once vouched for a session; only the session table, as applied
/// here, says that it still lives, and only the user table says what its owner may do. So the verdict on a signature is
/// remembered, as it cannot change, and the tables are asked each time.
package final class Authenticator: Sendable {
    private let cookieKey: SymmetricKey
    private let verified: VerifiedTokens

    /// `cacheCountMax`: remembered signatures, about 600 bytes each; verifying anew costs about 0.1 ms.
    package init(secrets: NodeSecrets, cacheCountMax: Int = 4096) {
        cookieKey = secrets.cookieKey
        verified = VerifiedTokens(countMax: cacheCountMax)
    }

    /// Who sent a request with these fields, as far as `access` asks: nil for an anonymous row.
    package func admit(
        _ access: AccessRule, fields: HTTPFields, view: ClusterView, now: Instant
    ) -> Result<Caller?, AuthRefusal> {
        let bearers = fields[values: .authorization]
        let needed: Role
        var cookie: String?
        switch access {
        case .anonymous: return .success(nil)
        case .bearer(let role): needed = role
        case .signedIn(let role):
            needed = role
            if bearers.isEmpty { cookie = BrowserCookie.find(in: fields, node: view.me) }
        }
        guard bearers.count <= 1 else { return .failure(.malformed) }
        let verdict = authenticate(
            authorization: bearers.first, cookie: cookie, sessionSecret: fields[.meshSessionSecret], view: view,
            now: now)
        return verdict.flatMap { caller in
            guard caller.role.reach >= needed.reach else { return .failure(.roleTooLow(needed: needed)) }
            return .success(caller)
        }.mapError { refusal in
            guard refusal == .missing, case .bearer = access, fields.contains(.cookie) else { return refusal }
            return .cookieNotAccepted
        }
    }

    /// `authorization` is the whole field value, `cookie` this node's cookie as sent. A bearer wins over a cookie; a bad
    /// one is not made good by a cookie.
    func authenticate(
        authorization: String?, cookie: String?, sessionSecret: String?, view: ClusterView, now: Instant
    ) -> Result<Caller, AuthRefusal> {
        do throws(AuthRefusal) {
            if let authorization { return .success(try bearer(authorization, view, now)) }
            guard let cookie else { throw .missing }
            guard let sessionSecret,
                let opened = BrowserCookie(opening: cookie, secret: sessionSecret, key: cookieKey)
            else { throw .wrongOrigin }
            return .success(try holder(of: opened.session, proof: .cookie(opened.session), view, now))
        } catch {
            // Who must not be told to throw a good credential away.
            let isEarly = (error == .unknownKey || error == .revoked) && !view.hasCaughtUp
            return .failure(isEarly ? .notCaughtUp : error)
        }
    }

    /// Whether a caller admitted earlier would be admitted still, role included: for streams that stay open.
    package func stillHolds(_ caller: Caller, view: ClusterView, now: Instant) -> Bool {
        do throws(AuthRefusal) {
            let current =
                switch caller.proof {
                case .token(let id), .cookie(let id): try holder(of: id, proof: caller.proof, view, now)
                case .apiKey(let id): try holder(ofKey: id, view, now)
                case .local: caller  // holds as long as its connection
                }
            return current.role.reach >= caller.role.reach
        } catch { return false }
    }

    private func bearer(_ authorization: String, _ view: ClusterView, _ now: Instant) throws(AuthRefusal) -> Caller {
        let parts = authorization.utf8.split(separator: UInt8(ascii: " "))
        guard parts.count == 2, Substring(parts[0]).lowercased() == "bearer" else { throw .malformed }
        let credential = String(Substring(parts[1]))
        if credential.hasPrefix(APIKeySecret.prefix) { return try apiKey(credential, view, now) }
        return try token(credential, view, now)
    }

    private func token(_ text: String, _ view: ClusterView, _ now: Instant) throws(AuthRefusal) -> Caller {
        let hash = VerifiedTokens.hash(text)
        let token = try verified.parsed(text, hash)
        // A key that an edge machine published, under an older program, counts for nothing.
        guard let key = view.authority.signingKeys[token.key], view.mayGrant(key.record.node) else { throw .unknownKey }
        guard verified.isSigned(hash, token, by: key.record.publicKey) else { throw .forged }
        guard token.claims.iss == view.publicHash else { throw .forged }
        guard let time = view.unixTime(at: now), time.seconds < token.claims.exp else { throw .expired }
        guard view.authority.sessions[token.session] != nil else {
            throw Self.absence(ofSessionGrantedAt: LogIndex(token.claims.idx), view, now)
        }
        let caller = try holder(of: token.session, proof: .token(token.session), view, now)
        guard caller.user == token.user else { throw .forged }
        return caller
    }

    /// A session that is not in the table has ended, unless its grant is an entry that this node has yet to apply.
    private static func absence(
        ofSessionGrantedAt index: LogIndex, _ view: ClusterView, _ now: Instant
    ) -> AuthRefusal {
        guard index > view.consensus.appliedIndex else { return .revoked }
        return view.isFresh(at: now) ? .notYetApplied(index) : .cutOff
    }

    private func holder(
        of session: SessionID, proof: Caller.Proof, _ view: ClusterView, _ now: Instant
    ) throws(AuthRefusal) -> Caller {
        guard let stored = view.authority.sessions[session], let user = view.authority.users[stored.user] else {
            throw .revoked
        }
        guard let time = view.unixTime(at: now), time < stored.expiresAt else { throw .expired }
        return Caller(user: stored.user, role: user.role, proof: proof, isCutOff: !view.isFresh(at: now))
    }

    private func apiKey(_ text: String, _ view: ClusterView, _ now: Instant) throws(AuthRefusal) -> Caller {
        guard let secret = APIKeySecret(text) else { throw .malformed }
        guard let stored = view.authority.apiKeys[secret.id], secret.matches(stored.secretHash) else {
            throw .unknownKey
        }
        return try holder(ofKey: secret.id, view, now)
    }

    private func holder(ofKey id: APIKeyID, _ view: ClusterView, _ now: Instant) throws(AuthRefusal) -> Caller {
        guard let key = view.authority.apiKeys[id], let role = view.authority.effectiveRole(of: key) else {
            throw .unknownKey
        }
        return Caller(user: key.user, role: role, proof: .apiKey(id), isCutOff: !view.isFresh(at: now))
    }
}

/// Tokens whose signature was found good, and under which key: found by their own hash, so that a hit proves that every
/// byte is the same. Bounded; when full, all are forgotten and verified anew as they come.
private final class VerifiedTokens: Sendable {
    private struct Entry {
        let token: ParsedToken
        let key: Bytes32
    }

    private let countMax: Int
    private let entries = Mutex<[Bytes32: Entry]>([:])

    init(countMax: Int) { self.countMax = countMax }

    func parsed(_ text: String, _ hash: Bytes32) throws(AuthRefusal) -> ParsedToken {
        if let known = entries.withLock({ $0[hash] }) { return known.token }
        return try ParsedToken(text)
    }

    func isSigned(_ hash: Bytes32, _ token: ParsedToken, by key: Bytes32) -> Bool {
        if let known = entries.withLock({ $0[hash] }), known.key == key { return true }
        guard token.isSigned(by: key) else { return false }
        entries.withLock { entries in
            if entries.count >= countMax { entries.removeAll(keepingCapacity: true) }
            entries[hash] = Entry(token: token, key: key)
        }
        return true
    }

    static func hash(_ text: String) -> Bytes32 {
        Bytes32(Array(SHA256.hash(data: Array(text.utf8))))!  // SHA-256 has 32 bytes
    }
}
