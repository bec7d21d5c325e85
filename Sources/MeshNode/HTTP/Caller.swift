import Authority
import Primitives

/// Who sent a request, as this node established it. Role and existence come from the replicated tables at the moment
/// of the request, never from a claim in a token.
package struct Caller: Hashable, Sendable {
    /// What proved it.
    package enum Proof: Hashable, Sendable {
        /// An access token.
        case token(SessionID)
        /// A browser's cookie together with its header secret.
        case cookie(SessionID)
        case apiKey(APIKeyID)
        /// The kernel's word that it is the agent's own user, on the local socket (`LocalDoor`).
        case local
    }

    package let user: UserName
    package let role: Role
    package let proof: Proof
    /// This node could not confirm within the freshness limit that nothing was revoked elsewhere.
    package let isCutOff: Bool

    package init(user: UserName, role: Role, proof: Proof, isCutOff: Bool) {
        self.user = user
        self.role = role
        self.proof = proof
        self.isCutOff = isCutOff
    }

    /// The session behind the request; nil for an API key and for the local socket.
    package var session: SessionID? {
        switch proof {
        case .token(let id), .cookie(let id): id
        case .apiKey, .local: nil
        }
    }
}

/// Why a request is not served for who sent it. Nothing has changed by it.
package enum AuthRefusal: Error, Hashable, Sendable {
    /// No credential at all, where one is needed.
    case missing
    /// The credential is not a token or key of ours in form: wrong scheme, algorithm, encoding or claims.
    case malformed
    /// Past its expiry by the mesh's clock.
    case expired
    /// The session was signed out, ended, or never existed.
    case revoked
    /// The token's key is in no node's published set, or the API key was never made or is revoked.
    case unknownKey
    /// The signature does not fit, or the token was made for another mesh.
    case forged
    /// A browser's cookie came without its header secret, or with a wrong one.
    case wrongOrigin
    /// A cookie was sent where only `Authorization` counts.
    case cookieNotAccepted
    /// The session was granted at an entry that this node has not applied yet: wait for it, then ask again.
    case notYetApplied(LogIndex)
    /// As before, and this node reaches no primary: it cannot learn of the session now.
    case cutOff
    /// Nobody of that name is known here, but this node has yet to hear what the mesh knows: it was just started, or is
    /// behind.
    case notCaughtUp
    /// Who it is is known; the role does not reach this far.
    case roleTooLow(needed: Role)

    /// 401, but for 403 where signing in again would not help and 503 where waiting does.
    package var status: Int {
        switch self {
        case .missing, .malformed, .expired, .revoked, .unknownKey, .forged, .wrongOrigin, .cookieNotAccepted: 401
        case .roleTooLow: 403
        case .notYetApplied, .cutOff, .notCaughtUp: 503
        }
    }

    /// What happened and what to try next, for a person.
    package var explanation: String {
        switch self {
        case .missing:
            "This needs credentials: send `Authorization: Bearer TOKEN` with an access token or an API key."
        case .malformed: "The credential is neither an access token nor an API key of this mesh. Sign in for a new one."
        case .expired: "The access token has expired. Refresh it, or sign in again."
        case .revoked: "The session has ended. Sign in again."
        case .unknownKey: "The key is not known to this mesh, or is revoked."
        case .forged: "The token's signature does not fit. Sign in for a new one."
        case .wrongOrigin: "The cookie counts only together with its header `X-Mesh-Session-Secret`. Sign in again."
        case .cookieNotAccepted: "Cookies do not count here. Send `Authorization: Bearer TOKEN`."
        case .notYetApplied: "This node has not caught up with that sign-in yet. Try again in a moment."
        case .cutOff: "This node reaches no primary and does not know that session. Try another node, or again later."
        case .notCaughtUp:
            "This node has not caught up with the mesh yet and does not know that credential. Try again in a moment, or another "
                + "node."
        case .roleTooLow(let needed): "This needs the role \(needed)."
        }
    }
}
