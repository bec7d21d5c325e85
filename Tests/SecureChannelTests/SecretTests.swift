import Primitives
import SecureChannel
import Testing

@Suite struct SecretTests {
    @Test func `a secret never shows itself`() {
        let secret = SecretBytes(copying: Array("hunter2".utf8))
        #expect("\(secret)" == "<secret>")
        #expect(String(reflecting: secret) == "<secret>")
        var dumped = ""
        let secretBytes = SecretBytes(copying: Array(100..<132))
        dump(ClusterKey(id: Array(repeating: 0, count: 16), secret: secretBytes), to: &dumped)
        #expect(!dumped.contains("100"))
    }

    @Test func `secrets are compared by content`() {
        let a = SecretBytes(copying: [1, 2, 3])
        #expect(a.equals(SecretBytes(copying: [1, 2, 3])))
        #expect(!a.equals(SecretBytes(copying: [1, 2, 4])))
        #expect(!a.equals(SecretBytes(copying: [1, 2])))
        #expect(constantTimeEquals([], []))
        #expect(!constantTimeEquals([1], []))
    }

    @Test func `erasing leaves nothing behind`() {
        var bytes: [UInt8] = [1, 2, 3]
        SecretBytes.erase(&bytes)
        #expect(bytes.isEmpty)
    }

    @Test func `sealed bytes open only whole, under their key, in their place`() {
        var entropy = SeededEntropy(seed: 3)
        let key = SealedBytes.successorKey(predecessor: [1, 2, 3])
        let other = SealedBytes.successorKey(predecessor: [1, 2, 4])
        for plaintext in [[], Array("next".utf8)] {
            let sealed = SealedBytes.seal(plaintext, key: key, context: [7], entropy: &entropy)
            #expect(sealed.count == plaintext.count + SealedBytes.overhead)
            #expect(SealedBytes.open(sealed, key: key, context: [7]) == plaintext)
            #expect(SealedBytes.open(sealed, key: other, context: [7]) == nil)
            #expect(SealedBytes.open(sealed, key: key, context: [8]) == nil)
            for count in 0..<sealed.count {
                #expect(SealedBytes.open(Array(sealed.prefix(count)), key: key, context: [7]) == nil)
            }
            for bit in 0..<sealed.count * 8 {
                var changed = sealed
                changed[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(SealedBytes.open(changed, key: key, context: [7]) == nil)
            }
        }
    }

    @Test func `a password hash verifies its own password alone`() throws {
        let hash = try PasswordHash.make("correct horse", limits: .minimal)
        #expect(hash.hasPrefix("$argon2id$"))
        #expect(PasswordHash.verify("correct horse", against: hash))
        #expect(!PasswordHash.verify("correct hors", against: hash))
        #expect(try PasswordHash.make("correct horse", limits: .minimal) != hash)
    }

    @Test(arguments: ["", "x", "$argon2id$", String(repeating: "$", count: 500)])
    func `text that is no hash verifies nothing`(_ text: String) {
        #expect(!PasswordHash.verify("", against: text))
    }
}

@Suite struct IdentityTests {
    private func makeIdentity(_ seed: UInt64 = 5) -> Identity {
        var entropy = SeededEntropy(seed: seed)
        return Identity.generate(from: &entropy)
    }

    @Test func `a node id names both keys`() throws {
        let one = makeIdentity(1).publicIdentity
        let two = makeIdentity(2).publicIdentity
        let mixed = try #require(PublicIdentity(exchangeKey: one.exchangeKey, signingKey: two.signingKey))
        #expect(Set([one.nodeID, two.nodeID, mixed.nodeID]).count == 3)
        #expect(PublicIdentity(exchangeKey: [1], signingKey: one.signingKey) == nil)
    }

    @Test func `a signature holds for its message, key and length alone`() {
        let identity = makeIdentity()
        let signature = identity.sign([1, 2, 3])
        let key = identity.publicIdentity.signingKey
        #expect(Identity.verify(signature, of: [1, 2, 3], by: key))
        #expect(!Identity.verify(signature, of: [1, 2], by: key))
        #expect(!Identity.verify(signature, of: [1, 2, 3], by: makeIdentity(6).publicIdentity.signingKey))
        #expect(!Identity.verify(Array(signature.dropLast()), of: [1, 2, 3], by: key))
        #expect(!Identity.verify(signature, of: [1, 2, 3], by: []))
    }

    @Test func `an identity survives its key file`() throws {
        let identity = makeIdentity()
        let loaded = try Identity(keyFile: identity.encodeKeyFile())
        #expect(loaded.publicIdentity == identity.publicIdentity)
        #expect(loaded.sign([9]) == identity.sign([9]))
        #expect(loaded.deriveLocalKey("x").equals(identity.deriveLocalKey("x")))
        #expect(!loaded.deriveLocalKey("x").equals(identity.deriveLocalKey("y")))
    }

    @Test func `a cluster key survives its key file`() throws {
        let key = makeCluster()
        let loaded = try ClusterKey(keyFile: key.encodeKeyFile())
        #expect(loaded.id == key.id)
        #expect(loaded.secret.equals(key.secret))
    }

    @Test func `a damaged key file is refused wherever the damage is`() {
        let file = makeIdentity().encodeKeyFile()
        for index in file.indices {
            var changed = file
            changed[index] ^= 1
            #expect(throws: KeyFileError.self) { _ = try Identity(keyFile: changed) }
        }
        for count in file.indices {
            #expect(throws: KeyFileError.self) { _ = try Identity(keyFile: Array(file.prefix(count))) }
        }
    }

    @Test func `a key file of another kind is refused by name`() {
        let error = #expect(throws: KeyFileError.self) { _ = try Identity(keyFile: makeCluster().encodeKeyFile()) }
        #expect(error?.description == "the file does not begin with \"meshnode identity 1\"")
    }
}
