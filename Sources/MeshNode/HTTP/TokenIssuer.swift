import Authority
import JWTKit
import NodeCore
import Primitives

/// Signs access tokens with this node's own key, and sees to it that the mesh knows that key. On core nodes alone: an edge
/// node never makes its key.
actor TokenIssuer {
    private struct Signer {
        let key: TokenSigningKey
        let collection: JWTKeyCollection
        var identifier: JWKIdentifier { JWKIdentifier(string: key.id.description) }
    }

    private let core: any MeshCore
    private let secrets: NodeSecrets
    /// Made for the first sign-in: a node at which nobody signs in keeps the code for signatures out of its memory.
    private var signer: Signer?

    init(core: any MeshCore, secrets: NodeSecrets) {
        self.core = core
        self.secrets = secrets
    }

    /// Signs a token for a session that is applied here. `exp - iat` is `AccessToken.lifetimeSeconds` exactly; a session
    /// that ends before takes its tokens along.
    func issue(_ session: SessionID, of user: UserName, role: Role, grantedAt: LogIndex) async throws -> String {
        guard core.view.mayGrant(core.view.me) else { throw Problem.notCore }
        let signer = await makeSigner()
        try await publish(signer.key)
        let view = core.view
        guard let issuedAt = view.unixTime(at: core.now())?.seconds else { throw Problem.refused(.clockNotSet) }
        let token = AccessToken(
            iss: view.publicHash, sub: user.text, sid: session.description, role: role.description,
            idx: grantedAt.value, iat: issuedAt, exp: issuedAt + AccessToken.lifetimeSeconds)
        return try await signer.collection.sign(token, kid: signer.identifier)
    }

    /// A token is worth nothing before its key is in the published set; repeating this is harmless.
    private func publish(_ key: TokenSigningKey) async throws(Problem) {
        guard core.view.authority.signingKeys[key.id] == nil else { return }
        let committed: CommittedReply
        do { committed = try await core.submit(.publishSigningKey(key.record(of: core.view.me))) } catch {
            throw .core(error)
        }
        if case .refused(let refusal) = committed.reply { throw .refused(refusal) }
    }

    private func makeSigner() async -> Signer {
        if let signer { return signer }
        let made = Signer(key: secrets.tokenKey, collection: JWTKeyCollection())
        await made.collection.add(eddsa: EdDSA.PrivateKey(backing: made.key.privateKey), kid: made.identifier)
        // Another sign-in may have come first meanwhile, with the same key.
        signer = made
        return made
    }
}
