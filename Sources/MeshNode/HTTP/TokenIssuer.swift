import Authority
import JWTKit
import NodeCore
import Primitives

/// Signs access tokens with this node's own key, and sees to it that the mesh knows that key.
struct TokenIssuer: Sendable {
    private let core: any MeshCore
    private let key: TokenSigningKey
    private let collection: JWTKeyCollection

    init(core: any MeshCore, key: TokenSigningKey) async {
        self.core = core
        self.key = key
        collection = JWTKeyCollection()
        await collection.add(eddsa: EdDSA.PrivateKey(backing: key.privateKey), kid: Self.identifier(key))
    }

    /// Signs a token for a session that is applied here. `exp - iat` is `AccessToken.lifetimeSeconds` exactly; a session
    /// that ends before takes its tokens along.
    func issue(_ session: SessionID, of user: UserName, role: Role, grantedAt: LogIndex) async throws -> String {
        try await publishKey()
        let view = core.view
        guard let issuedAt = view.unixTime(at: core.now())?.seconds else { throw Problem.refused(.clockNotSet) }
        let token = AccessToken(
            iss: view.publicHash, sub: user.text, sid: session.description, role: role.description,
            idx: grantedAt.value, iat: issuedAt, exp: issuedAt + AccessToken.lifetimeSeconds)
        return try await collection.sign(token, kid: Self.identifier(key))
    }

    /// A token is worth nothing before its key is in the published set; repeating this is harmless.
    func publishKey() async throws(Problem) {
        guard core.view.authority.signingKeys[key.id] == nil else { return }
        let committed: CommittedReply
        do { committed = try await core.submit(.publishSigningKey(key.record(of: core.view.me))) } catch {
            throw .core(error)
        }
        if case .refused(let refusal) = committed.reply { throw .refused(refusal) }
    }

    private static func identifier(_ key: TokenSigningKey) -> JWKIdentifier {
        JWKIdentifier(string: key.id.description)
    }
}
