import Csodium
import Primitives
import SecureChannel
import Testing

/// One of cacophony's vectors for the Noise Protocol Framework, revision 34 (both sides have the same prologue and keys).
struct NoiseVector: CustomTestStringConvertible, Sendable {
    typealias Message = (payload: [UInt8], expected: [UInt8])

    let protocolName: String
    private let fields: [String: [UInt8]]
    let messages: [Message]

    var handshakeHash: [UInt8] { fields["hash"] ?? [] }
    var testDescription: String { protocolName }

    /// Lines of words: a name first, then `field=hex`, then `payload>message` in order.
    init(_ text: String) {
        var fields: [String: [UInt8]] = [:]
        var messages: [Message] = []
        let words = text.split { $0 == " " || $0 == "\n" }
        protocolName = String(words[0])
        for word in words.dropFirst() {
            let field = word.split(separator: "=")
            if field.count == 2 {
                fields[String(field[0])] = unhex(String(field[1]))
            } else {
                let parts = word.split(separator: ">").map { unhex(String($0)) }
                messages.append((parts[0], parts[1]))
            }
        }
        self.fields = fields
        self.messages = messages
    }

    func makeSide(_ role: NoiseHandshake.Role, _ pattern: NoisePattern) -> NoiseHandshake {
        let (mine, theirs) = role == .initiator ? ("i", "r") : ("r", "i")
        let known = role == .initiator ? pattern.responderIsKnown : pattern.initiatorIsKnown
        var side = NoiseHandshake(
            pattern, as: role, prologue: fields["prologue"] ?? [], local: pair("\(mine).s"),
            remoteStatic: known ? pair("\(theirs).s")?.publicKey : nil, ephemeral: pair("\(mine).e")!)
        if let psk = fields["psk"] { side.preSharedKeys = [SecretBytes(copying: psk)] }
        return side
    }

    private func pair(_ field: String) -> ExchangeKeyPair? {
        fields[field].map { ExchangeKeyPair(secret: SecretBytes(copying: $0)) }
    }

    static let all: [NoiseVector] = [
        NoiseVector(
            """
            Noise_NN_25519_ChaChaPoly_BLAKE2b
            prologue=4a6f686e2047616c74
            i.e=893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a
            r.e=bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b
            hash=25b3d1154146a2e058e4db548e0841992cf33a972d5b85a908e4fb8f14b6d94f4987e17baa330c93dd842d6eda030cd4719\
            0c60d7c862574078779aba1302a2e
            4c756477696720766f6e204d69736573>ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c75647\
            7696720766f6e204d69736573
            4d757272617920526f746862617264>95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843d10cf8ef4\
            ab895bed3e4673211f0c9337039d63a450c7b28196b8a0ebade00
            462e20412e20486179656b>e50ec882703a1f34bf4957d8cafd036d34e02930f672f424c676e1
            4361726c204d656e676572>35bb2a728d3e8e5f47781d486089e4a37c5c2e4261256f44569a9f
            4a65616e2d426170746973746520536179>69ee82006e16b79438a34ad9de37ee44d83c267e355750ecf49f194b5c50403030
            457567656e2042f6686d20766f6e2042617765726b>c568b641b01d2f644f2a890538c359915ca50552e55129c029d3721866c26\
            46a7af3fd1eff
            """),
        NoiseVector(
            """
            Noise_NK_25519_ChaChaPoly_BLAKE2b
            prologue=4a6f686e2047616c74
            i.e=893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a
            r.s=4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893
            r.e=bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b
            hash=f87aa4eb6416e5b0d2b6e6f0b7bc41f3c5986a5d32d55c08d67cbd412f3ec2fa04d8e358ab95b3bbfab054a140a98eccf42\
            84bb6309b600981d451ecac484932
            4c756477696720766f6e204d69736573>ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944f3041e3\
            9b0c8ba56008f2d1183fea6ac83564ead0267b0842ec4c521ed1e1407
            4d757272617920526f746862617264>95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088432281dcc18\
            35131f305dca14525e15e27d1f32294aa835e40fc18be480c1db9
            462e20412e20486179656b>357e24e9f28ba22080666f7efacc01b2a0a4e358e742aeeff2aaf5
            4361726c204d656e676572>8b23b34ff3169de06a39551e969ca7876cc5122a4acff74bf2ec29
            4a65616e2d426170746973746520536179>5c104779b6f36e59fca73ed94b0ae092eae1d76dd109caf5060aaaedba385d7076
            457567656e2042f6686d20766f6e2042617765726b>34ae0518d0cd3aa641ed372ea94935ceecd87f8c4b422ce21a33d3f6f5493\
            891e3e915d83f
            """),
        NoiseVector(
            """
            Noise_KK_25519_ChaChaPoly_BLAKE2b
            prologue=4a6f686e2047616c74
            i.s=e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1
            i.e=893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a
            r.s=4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893
            r.e=bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b
            hash=76dbc866183c8ee7363dbf0ebab8d6355010245f9817aa78359818a03a052586d7e8b4bb2ae5622a1a61212df90af04bb2b\
            2cc189ce0e819ba0c4970c9f71805
            4c756477696720766f6e204d69736573>ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944f79a1d4\
            b21fc3ea4a0c87213b8b4f0599d758682c26a3ae5e09195a3e742bc74
            4d757272617920526f746862617264>95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843e20b1bf85\
            731f75d7e21b5d54baaa66341de4292c3d42571c1bd7e7f1abe38
            462e20412e20486179656b>25bfaa58833b07cdd6af7c07f2c51daac681a8ac0a02dd373259bd
            4361726c204d656e676572>ef586cff556dec8ef0053871ff0d4bf3f2c72e842487ec6d1da69f
            4a65616e2d426170746973746520536179>3265d50513550a354425d0218ba1e5f25d4994ce8990e6964398dba5982dbcbd85
            457567656e2042f6686d20766f6e2042617765726b>f11c02d5c3223d7b9281b52e1b134962b91bc3bfbd1646354dab9fc19b66b\
            f6c1e0a6f431e
            """),
        NoiseVector(
            """
            Noise_IK_25519_ChaChaPoly_BLAKE2b
            prologue=4a6f686e2047616c74
            i.s=e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1
            i.e=893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a
            r.s=4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893
            r.e=bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b
            hash=1c8fa891cb414fedba6daa7c6f4ae0a6d98e5f9768cc9cecd27e805614943ee9c8a1b27fbfb76dc197255c8aa69f6b4285c\
            423840b8bedf45e652ca64f797d81
            4c756477696720766f6e204d69736573>ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944ba83a44\
            7b38c83e327ad936929812f624884847b7831e95e197b2f797088efdd2f88f1db7e1fb0e99c64419097af91cee64e470f4b6fcd9\
            298ce0b56fe20f86e13bf70439c538e3602a7127af71a29cc
            4d757272617920526f746862617264>95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088439f069b267\
            a06b3de3ecb1043bcb098e9af91d9c64748d998c7b47890871571
            462e20412e20486179656b>cd54383060e7a28434cca27fb1cc524cfbabeb18181589df219d07
            4361726c204d656e676572>a856d3bf0246bfc476c655009cd1ed677b8dcc5b349ae8ef2a05f2
            4a65616e2d426170746973746520536179>49063084b2c51f098337cb8a13739ac848f907e67cfb2cc8a8b60586467aa02fc7
            457567656e2042f6686d20766f6e2042617765726b>8b9709d23b47e4639df7678d7a21741eba4ef1e9c60383001c7435549c20f\
            9d56f30e935d3
            """),
        NoiseVector(
            """
            Noise_XX_25519_ChaChaPoly_BLAKE2b
            prologue=4a6f686e2047616c74
            i.s=e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1
            i.e=893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a
            r.s=4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893
            r.e=bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b
            hash=8cf47d7b3cb5804c0109d48e8bcdbee2cbb65687d8ea2c92994ca361fb86151ad93627b98936cbb32de56e8abb21def3925\
            011ac3e35db9cbeea73ab9a4392c2
            4c756477696720766f6e204d69736573>ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c75647\
            7696720766f6e204d69736573
            4d757272617920526f746862617264>95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088430505b6745\
            ce64a5f33f0e8e3b83f11ce8802bca507f4f2d8b564dbe277e1966116e132faa2dfd70b8b077b9f94b913df5056ae1319469b824\
            a98d54bbaa82c325595587064f978c4b6d104f7596e6f
            462e20412e20486179656b>99579e1c1ee15e422a57ddd6b16d37087b17558e8369c18991b4b2ca3a824abf904cdcf5458b5431a\
            75af034ca9e9b982de039eaaf156775e2d580cd4e5ebae89c3f8cb2594b556d8a8169
            4361726c204d656e676572>fc56eea290b3f3a21aac0c70cd5787b5ee99be37d2f4d751329b55
            4a65616e2d426170746973746520536179>bb31c9da10d5639a4cdb88a12f5c61de41bbc7df09bf75d94f8184fe4157f5c68f
            457567656e2042f6686d20766f6e2042617765726b>f6199cadb152fb27f82be0a0891ec76a33598ae92a46cab2fb5a8ed5bf48b\
            7f267f8370af7
            """),
        NoiseVector(
            """
            Noise_NNpsk0_25519_ChaChaPoly_BLAKE2b
            prologue=4a6f686e2047616c74
            psk=54686973206973206d7920417573747269616e20706572737065637469766521
            i.e=893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a
            r.e=bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b
            hash=ed5e9692d0ab507b6c2beec3f584fd5b127817a9d20b26cd50aa72c507260fa31aa7d88dd3723316338af37ce0b4cfb2923\
            aeb848bbf2b934911306f01ffc963
            4c756477696720766f6e204d69736573>ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944ed63df2\
            f5a12aee1185ee9c50305f2ecf12421dcb53c047a63b784cf7c54a105
            4d757272617920526f746862617264>95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088430e0fe7d5c\
            0c9b92f7478716c8852f1b4f389edb75e3ebe546fafafd5b6f0f7
            462e20412e20486179656b>0fe04b26dcfbb69f8a6a94c61f1a26ef88769218d32f5d17c068a6
            4361726c204d656e676572>2239e0c540c01f09eb1f4cc5258fd5acfefff18a5a3773f21b7bfe
            4a65616e2d426170746973746520536179>f216cb03d30fb8af1e561fe02a07552d09b416e27a75e62c77d193718b0bdaae9f
            457567656e2042f6686d20766f6e2042617765726b>6e8baf98b944184dd7dc5ef14d8108cbeca626de118a5460f3308e294d61e\
            17238bce29bd9
            """),
        NoiseVector(
            """
            Noise_NNpsk2_25519_ChaChaPoly_BLAKE2b
            prologue=4a6f686e2047616c74
            psk=54686973206973206d7920417573747269616e20706572737065637469766521
            i.e=893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a
            r.e=bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b
            hash=5381ebae5894761a48b4a5ef092fdf9d00d249ae2155e30217948a59be9c27dbaf66873c0cc09ef234c83b313c9648a2f21\
            eb0faf2c2bc36be0d2b59f07cd4d7
            4c756477696720766f6e204d69736573>ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944abfa344\
            c2d805651fdb6598f06493df176d69a3db2ad157d22ba10eeda132dc4
            4d757272617920526f746862617264>95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088433170318af\
            23100d39526e44a7e9075ec4a86024ada2d1c51c9ad4ef7b8af7c
            462e20412e20486179656b>f7ee2affd946ade372cd4120a7824ccc773c8482659fc1604e237b
            4361726c204d656e676572>7e1d42dc8da74909bf92207680f0414b383257cec94922b50dc6be
            4a65616e2d426170746973746520536179>13433e795a6c46ac1a7dc13945288ba789d221f666e3940c994da56aa72c74b209
            457567656e2042f6686d20766f6e2042617765726b>5aa0325dd9907beca5e4e7e5d7adaffa1ba69b9f8b645e2ed048ae34991f3\
            b3795d974b6a4
            """),
        NoiseVector(
            """
            Noise_XKpsk3_25519_ChaChaPoly_BLAKE2b
            prologue=4a6f686e2047616c74
            psk=54686973206973206d7920417573747269616e20706572737065637469766521
            i.s=e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1
            i.e=893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a
            r.s=4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893
            r.e=bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b
            hash=276345ceb27283e38968d8adec394c400eb1b7127160ba9876aa8686eefb4423893ef40d23541b4b61eae50a700348490b6\
            1333159cc1ea8e2bcea1e47b02b6b
            4c756477696720766f6e204d69736573>ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944d4159c6\
            5af2e4a31507c9db870a770ecc5d0ac86361a5e0548d9514e5db39f14
            4d757272617920526f746862617264>95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088430d3e4380c\
            91e1a481ef064f57255afd455aaacb2d32816b241247fe360c021
            462e20412e20486179656b>a908c164351eb35717ee66b5eae9f4743220275787b8d04e636cadcfb84dd1fd6dd3332cdc1b2817d\
            a500e048ca4a02d6a56bcd173a63bdc8364ea6f167b5c8c8e6fda80072ab3896a9b88
            4361726c204d656e676572>568ffb406e4137362874ec8fb59a214c55b339a35258c041521467
            4a65616e2d426170746973746520536179>0846c03595f9e609d444dcdffde074179ff3bef1a43ded6b989572d3c3339a85e7
            457567656e2042f6686d20766f6e2042617765726b>aa16a9481f327bdc8c00055cda5064af58ee7b08afe0ce8e64cc50af55428\
            3030db9dace93
            """),
        NoiseVector(
            """
            Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b
            prologue=4a6f686e2047616c74
            psk=54686973206973206d7920417573747269616e20706572737065637469766521
            i.s=e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1
            i.e=893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a
            r.s=4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893
            r.e=bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b
            hash=46b5997dfa51492ae9be5b611748455e83aebdbc2ea3c47d264ec6dd408cc076e962ff056890c60398fe3e7a430bbe057f3\
            4383a84df9ff99391266dcfd638b0
            4c756477696720766f6e204d69736573>ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79440aa831d\
            1e3bbd16bd7ffda87e9f7b6eeca2510006499a573ac27af3392ed1b69
            4d757272617920526f746862617264>95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f14480884381a78489d\
            56c9e2ac962826f25684980b25244dbfd505b7d903a94d4f4fd84004a1c7fbe94d686bc4c1f67259364f6f2a41cb40bf5198b9b3\
            975be2cdd49d3e065a554e12c477d82029fabc6555bc1
            462e20412e20486179656b>291dfeff6eff386e29adb0bdbd5a1ae9e09de4449c8695d109adcb63e80e489555792a3e9150eff75\
            d6d45571f824ed231173cb66e31e7da914241f86d0cbb678335ffe768a7445d2f5bc1
            4361726c204d656e676572>6579dd60eb5e6a8b29dd60004289f5d3c2f69fcdbf683a869f59a8
            4a65616e2d426170746973746520536179>24715fd39c3c7606e81b26e69e47b54d043d9d87c512f9417bae51ab48ebb17722
            457567656e2042f6686d20766f6e2042617765726b>e49194a013d873712318643acbf0e3851086326bb168c500a766439ff543a\
            7a1e2deb3215c
            """),
        NoiseVector(
            """
            Noise_IKpsk1_25519_ChaChaPoly_BLAKE2b
            prologue=4a6f686e2047616c74
            psk=54686973206973206d7920417573747269616e20706572737065637469766521
            i.s=e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1
            i.e=893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a
            r.s=4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893
            r.e=bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b
            hash=186371bec588c76e8deb325921814d59591519641d70e37cde7ab4bc8b17600e3d9062228a6132e257baf34bc156927e5d8\
            5a7d3ea93f7524caf13710b226b3b
            4c756477696720766f6e204d69736573>ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944902b84c\
            ee06d6795dc5f2501c05ba76688c6ce7d2ab36d91ce6d3211721f3280f6264f7c2ea2e6b13d78afb983ae1ffb05f1f4e9fa55356\
            622301ebaff6e9f21c1f43208cbd63fb9b4082159b8fc5bb3
            4d757272617920526f746862617264>95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088430b230ee9d\
            ef0e1e7c053a14848bbfb1458026c9aa2bbbd4b237cb92491392b
            462e20412e20486179656b>3ef532df887f77d7b044cb218ff0674cba4810998d84112690527a
            4361726c204d656e676572>cb6c35ca87c7deef55e8e9bdbd7ccdfb8de119accfadb834cbb56b
            4a65616e2d426170746973746520536179>ed8a704db23c02f24b78473428e0ab7ba1bb5996f9a68fa45a87509537f498e41c
            457567656e2042f6686d20766f6e2042617765726b>13e78d501bcb6d55e9c0821febbe88d021663a91fbce42c12bf219cf5d7ef\
            ef5f6a2ee9ca6
            """),
        NoiseVector(
            """
            Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b
            prologue=4a6f686e2047616c74
            psk=54686973206973206d7920417573747269616e20706572737065637469766521
            i.s=e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1
            i.e=893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a
            r.s=4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893
            r.e=bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b
            hash=ed837c9084f2f0333a7ec60b9bcacd9921394858de8ced118b5966d1147ba390084dab42326c565a309c29317a6079be30a\
            a1d790d25a517b43287426cb1d36a
            4c756477696720766f6e204d69736573>ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944b6fe024\
            0b839afac809de1630eaf99d8f9b941394f0512c0554633bbb021d15176135c0a20e7fdb9a9ed066f22f054b47625b1d5061cb27\
            d6a17f053273db7c25216a5addc506ee321bc0618feb5849d
            4d757272617920526f746862617264>95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088438f627e69f\
            c120006f746b9d420bf4056cf8481ab32d9e904ffaeeaa56a5290
            462e20412e20486179656b>07fc0034398a5f1010322be193d62f94bebf2948a20b3e15d681fe
            4361726c204d656e676572>2ea5400f5b8a16971c8b67bde75aeb7987d454b1c0beeb2566932d
            4a65616e2d426170746973746520536179>96eef918ef51639fc0e156da1823c4f71b33fac5af983f5da9384f7da20d86ed91
            457567656e2042f6686d20766f6e2042617765726b>f02766a56496e1fbf32e05274baebf6d693c8f3e4c6e0dc7ebdc5ac170f15\
            dae433b92f469
            """),
    ]
}

/// Noise §5.1 with libsodium alone: what a vector's transport messages are sealed with.
enum TransportCipher {
    static func seal(_ plaintext: [UInt8], key: SecretBytes, counter: UInt64) -> [UInt8] {
        var sealed = [UInt8](repeating: 0, count: plaintext.count + 16)
        let nonce = [0, 0, 0, 0] + (0..<8).map { UInt8(truncatingIfNeeded: counter >> (8 * UInt64($0))) }
        _ = key.withUnsafeBytes {
            crypto_aead_chacha20poly1305_ietf_encrypt(
                &sealed, nil, plaintext, UInt64(plaintext.count), nil, 0, nil, nonce,
                $0.bindMemory(to: UInt8.self).baseAddress!)  // A key has bytes.
        }
        return sealed
    }
}
