import Primitives
import SecureChannel
import Testing

@Suite struct KnownAnswerTests {
    @Test("draft-irtf-cfrg-xchacha-03 A.3.1: XChaCha20-Poly1305")
    func xchacha() {
        var nonce = FixedEntropy(hex: "404142434445464748494a4b4c4d4e4f5051525354555657")
        let key = SecretBytes(copying: Array(0x80...0x9F))
        let plaintext = Array(
            ("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
                + "sunscreen would be it.").utf8)
        let context = unhex("50515253c0c1c2c3c4c5c6c7")
        let sealed = SealedBytes.seal(plaintext, key: key, context: context, entropy: &nonce)
        #expect(
            Hex.encode(sealed.dropFirst(24))
                == "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39"
                + "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
                + "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49")
        #expect(SealedBytes.open(sealed, key: key, context: context) == plaintext)
    }

    @Test("RFC 7693 appendix A: BLAKE2b-512 of abc")
    func blake2b() {
        #expect(
            Hex.encode(Blake2b.hash(Array("abc".utf8), byteCount: 64))
                == "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                + "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923")
    }

    @Test("BLAKE2 reference vectors: the empty message under the key 00..3f")
    func keyedBlake2b() {
        let key = SecretBytes(copying: Array(0..<64))
        let expected =
            "10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786"
            + "b5e996e8f0f4eb981fc214b005f42d2ff4233499391653df7aefcbc13fc51568"
        #expect(Hex.encode(Blake2b.keyed([], key: key, byteCount: 64)) == expected)
        #expect(Blake2b.derive([], from: key, byteCount: 64).withUnsafeBytes { Hex.encode($0) } == expected)
    }

    @Test("RFC 8032 §7.1 test 1 and RFC 7748 §5.2: an identity from known secrets")
    func identity() {
        var secrets = FixedEntropy(
            hex: "0900000000000000000000000000000000000000000000000000000000000000"
                + "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
        let identity = Identity.generate(from: &secrets)
        #expect(
            Hex.encode(identity.publicIdentity.exchangeKey)
                == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079")
        #expect(
            Hex.encode(identity.publicIdentity.signingKey)
                == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        #expect(
            Hex.encode(identity.sign([]))
                == "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                + "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")
    }

    @Test("Argon2 reference implementation: argon2id, 256 KiB, two passes")
    func argon2id() {
        let hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
        #expect(PasswordHash.verify("password", against: hash))
        #expect(!PasswordHash.verify("Password", against: hash))
    }

    @Test("RFC 4648 §5: tokens are base64url without padding")
    func token() {
        var entropy = FixedEntropy(hex: "fbff")
        #expect(entropy.token(byteCount: 2) == "-_8")
        var real = SodiumEntropy()
        let tokens = Set((0..<100).map { _ in real.token() })
        #expect(tokens.count == 100)
        #expect(tokens.allSatisfy { $0.utf8.count == 43 })
    }
}
