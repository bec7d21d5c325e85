import Authority
import Primitives
import Testing

extension APIKeyGrant {
    static func sample(_ number: UInt64, of user: UserName, role: Role = .user) -> APIKeyGrant {
        APIKeyGrant(
            id: APIKeyID(high: 0, low: number), user: user, secretHash: .sample(UInt8(truncatingIfNeeded: number)),
            label: "script", role: role)
    }
}

extension SigningKeyRecord {
    static func sample(_ number: UInt64, of node: UInt64, key: UInt8 = 1) -> SigningKeyRecord {
        SigningKeyRecord(
            node: NodeID(high: 0, low: node), id: SigningKeyID(high: 0, low: number), publicKey: .sample(key))
    }
}

@Test(
    "an API key reaches no further than its owner does now",
    arguments: [
        (Role.admin, Role.admin, Role.admin), (.admin, .user, .user), (.operator, .admin, .operator),
        (.service, .admin, .service), (.user, .operator, .user), (.operator, .user, .user),
    ])
func effectiveRole(granted: Role, owner: Role, effective: Role) {
    var log = TestLog.started()
    log.apply(.createUser(name: "ada", verifier: .sample, role: .admin))
    log.apply(.createAPIKey(.sample(1, of: "ada", role: granted)))
    log.apply(.setRole(name: "ada", role: owner))
    let key = log.state.apiKeys[APIKeyID(high: 0, low: 1)]
    #expect(key.flatMap(log.state.effectiveRole(of:)) == effective)
}

@Test("an API key is found by its id until it is revoked, and revoked once")
func apiKeyLifetime() {
    var log = TestLog.started()
    #expect(log.apply(.createAPIKey(.sample(1, of: "root"))) == .done)
    #expect(log.apply(.createAPIKey(.sample(1, of: "root"))) == .refused(.idTaken))
    #expect(log.state.apiKeys[APIKeyID(high: 0, low: 1)]?.secretHash == .sample(1))
    #expect(log.apply(.revokeAPIKey(APIKeyID(high: 0, low: 1))) == .done)
    #expect(log.state.apiKeys.count == 0)
    #expect(log.apply(.revokeAPIKey(APIKeyID(high: 0, low: 1))) == .refused(.unknownKey))
}

@Test("API keys are limited per user and in all")
func apiKeyLimits() {
    var limits = AuthorityLimits()
    limits.apiKeys = 3
    limits.apiKeysPerUser = 2
    var log = TestLog.started(limits: limits)
    log.apply(.createUser(name: "ada", verifier: .sample, role: .user))
    #expect(log.apply(.createAPIKey(.sample(1, of: "root"))) == .done)
    #expect(log.apply(.createAPIKey(.sample(2, of: "root"))) == .done)
    #expect(log.apply(.createAPIKey(.sample(3, of: "root"))) == .refused(.limitReached))
    #expect(log.apply(.createAPIKey(.sample(3, of: "ada"))) == .done)
    #expect(log.apply(.createAPIKey(.sample(4, of: "ada"))) == .refused(.limitReached))
}

@Test("the published set is the union over nodes, sorted, and a retired key leaves it at once")
func signingKeySet() {
    var log = TestLog.started()
    #expect(log.apply(.publishSigningKey(.sample(9, of: 1))) == .done)
    #expect(log.apply(.publishSigningKey(.sample(3, of: 2))) == .done)
    #expect(log.apply(.publishSigningKey(.sample(5, of: 1))) == .done)
    #expect(log.state.signingKeys.sorted.map(\.record.id.low) == [3, 5, 9])
    #expect(log.state.signingKeys.keys(of: NodeID(high: 0, low: 1)).map(\.record.id.low) == [9, 5])
    #expect(log.apply(.retireSigningKey(SigningKeyID(high: 0, low: 9))) == .done)
    #expect(log.state.signingKeys[SigningKeyID(high: 0, low: 9)] == nil)
    #expect(log.apply(.retireSigningKey(SigningKeyID(high: 0, low: 9))) == .refused(.unknownKey))
}

@Test("publishing the same key again is harmless; another key under its id is refused")
func republish() {
    var log = TestLog.started()
    log.apply(.publishSigningKey(.sample(1, of: 1)))
    let before = log
    #expect(log.apply(.publishSigningKey(.sample(1, of: 1))) == .done)
    #expect(log.apply(.publishSigningKey(.sample(1, of: 1, key: 2))) == .refused(.idTaken))
    #expect(log.apply(.publishSigningKey(.sample(1, of: 2))) == .refused(.idTaken))
    #expect(log.holdsSame(as: before))
}

@Test("signing keys are limited per node and in all")
func signingKeyLimits() {
    var limits = AuthorityLimits()
    limits.signingKeys = 3
    limits.signingKeysPerNode = 2
    var log = TestLog.started(limits: limits)
    #expect(log.apply(.publishSigningKey(.sample(1, of: 1))) == .done)
    #expect(log.apply(.publishSigningKey(.sample(2, of: 1))) == .done)
    #expect(log.apply(.publishSigningKey(.sample(3, of: 1))) == .refused(.limitReached))
    #expect(log.apply(.publishSigningKey(.sample(3, of: 2))) == .done)
    #expect(log.apply(.publishSigningKey(.sample(4, of: 3))) == .refused(.limitReached))
}
