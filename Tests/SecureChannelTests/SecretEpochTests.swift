import Primitives
import SecureChannel
import Testing

private func secret(_ byte: UInt8) -> SecretBytes { SecretBytes(copying: Array(repeating: byte, count: 32)) }

@Suite("The cluster's secret by epochs")
struct SecretEpochTests {
    @Test("a secret that is held is never replaced, none is begun with that is not held, and epochs only grow")
    func keyring() {
        var keyring = Keyring(makeCluster())
        let isActive = keyring.activate(2)
        let isTaken = keyring.install(secret(2), epoch: 2)
        let isReplaced = keyring.install(secret(9), epoch: 2)
        #expect(!isActive && isTaken && !isReplaced && keyring.active == 1 && keyring.newest == 2)
        let isRetired = keyring.retire(before: 2)
        #expect(!isRetired, "what is begun with cannot be past")
        let follows = keyring.activate(2) && keyring.retire(before: 2)
        let isOlder = keyring.install(secret(1), epoch: 1)
        #expect(follows && !isOlder && keyring.oldest == 2 && keyring.activeSecret.equals(secret(2)))
        for epoch in 3...40 as ClosedRange<UInt32> {
            _ = keyring.install(secret(UInt8(epoch)), epoch: epoch)
            _ = keyring.activate(epoch)
            _ = keyring.retire(before: epoch)
            keyring.checkInvariants()
        }
        #expect(keyring.secrets.count == Keyring.pastMax + 1)
    }

    @Test("the file of secrets is read as it was written, and refused where a byte is wrong")
    func file() throws {
        var keyring = Keyring(makeCluster())
        _ = keyring.install(secret(2), epoch: 2)
        _ = keyring.activate(2)
        let file = keyring.encodeKeyFile()
        let read = try Keyring(keyFile: file)
        #expect(read.encodeKeyFile() == file && read.active == 2 && read.oldest == 1)
        for place in file.indices {
            var damaged = file
            damaged[place] ^= 1
            #expect(throws: KeyFileError.self) { try Keyring(keyFile: damaged) }
            #expect(throws: KeyFileError.self) { try Keyring(keyFile: Array(file[..<place])) }
        }
        #expect(!String(describing: keyring).contains("0202"), "a secret was printed")
    }

    @Test("a copy opens for its node, its epoch and its cluster alone")
    func copies() throws {
        var entropy = SeededEntropy(seed: 4)
        let context = Array("epoch 2 of ada".utf8)
        let sealed = try #require(
            SealedSecret.seal(secret(7), to: makePair(ada).publicKey, context: context, entropy: &entropy))
        #expect(SealedSecret.open(sealed, with: makePair(ada), context: context)?.equals(secret(7)) == true)
        #expect(SealedSecret.open(sealed, with: makePair(bob), context: context) == nil)
        #expect(SealedSecret.open(sealed, with: makePair(ada), context: context + [0]) == nil)
        for place in sealed.indices {
            var damaged = sealed
            damaged[place] ^= 0x80
            #expect(SealedSecret.open(damaged, with: makePair(ada), context: context) == nil)
        }
        #expect(
            SealedSecret.seal(
                secret(7), to: Array(repeating: 0, count: 32), context: context, entropy: &entropy) == nil)
    }

    private func rotate(_ net: inout ChannelNet, _ places: [Int], epoch: UInt32 = 2) {
        var entropy = SeededEntropy(seed: UInt64(epoch))
        let draft = SecretRotationDraft(
            epoch: epoch, cluster: makeCluster().id,
            recipients: ChannelNet.ids.map { ($0, makePair($0).publicKey) }, entropy: &entropy)
        for place in places {
            guard let copy = draft.copies.first(where: { $0.node == ChannelNet.ids[place] }) else { continue }
            net.nodes[place].install(
                SealedCopy(epoch: epoch, fingerprint: draft.fingerprint, sealed: copy.sealed))
            net.nodes[place].follow(active: epoch, oldest: 1)
        }
    }

    @Test("while two secrets are in use, each side may begin with either")
    func overlap() {
        var net = ChannelNet()
        rotate(&net, [0, 1])
        // Bob holds both and begins with the new one, eve has only heard of the first.
        net.send([1], from: 2, to: 1)
        net.settle()
        net.send([2], from: 0, to: 1)
        net.settle()
        #expect(net.payloads(at: 1) == [[1], [2]])
    }

    @Test("sessions that stand go on: a rotation loses no frame")
    func standing() {
        var net = ChannelNet()
        net.connect()
        net.send([1], from: 0, to: 1)
        rotate(&net, [0, 1])
        for place in 0...1 { net.nodes[place].follow(active: 2, oldest: 2) }
        net.send([2], from: 0, to: 1)
        net.settle()
        #expect(net.payloads(at: 1) == [[1], [2]])
        #expect(net.kinds.isEmpty && net.rejections.isEmpty)
    }

    @Test("under a past secret a peer gets the present one and nothing else; what it said before is lost")
    func handOver() {
        var net = ChannelNet()
        rotate(&net, [0, 1])
        for place in 0...1 { net.nodes[place].follow(active: 2, oldest: 2) }
        net.send([1], from: 2, to: 0)
        net.settle()
        #expect(net.payloads(at: 0) == [])
        #expect(net.nodes[2].keyring?.active == 2, "eve was told")
        net.send([2], from: 2, to: 0)
        net.wait(.seconds(1))
        #expect(net.payloads(at: 0).last == [2], "and speaks under the new one")
        net.send([3], from: 2, to: 1)
        net.settle()
        #expect(net.payloads(at: 1) == [[3]])
    }

    @Test("an edge node hands nothing over, and an edge node's word about the secret does not count")
    func edges() {
        for isGiverCore in [false, true] {
            var net = ChannelNet(edges: isGiverCore ? [] : [0])
            rotate(&net, [0])
            net.nodes[0].follow(active: 2, oldest: 2)
            net.send([1], from: 2, to: 0)
            net.settle()
            #expect(net.nodes[2].keyring?.active == (isGiverCore ? 2 : 1))
        }
        // Ada knows herself for an edge machine, and eve does not.
        var humble = ChannelNet()
        humble.doubt(0, by: 0)
        rotate(&humble, [0])
        humble.nodes[0].follow(active: 2, oldest: 2)
        humble.send([1], from: 2, to: 0)
        humble.settle()
        #expect(humble.rejections == [.wrongEpoch] && humble.nodes[2].keyring?.active == 1)
        // Bob takes ada for an edge machine, whatever she takes herself for.
        var net = ChannelNet()
        net.doubt(0, by: 2)
        rotate(&net, [0])
        net.nodes[0].follow(active: 2, oldest: 2)
        net.send([1], from: 2, to: 0)
        net.settle()
        #expect(net.nodes[2].keyring?.active == 1)
    }

    @Test("a replayed handshake under a past secret leads nowhere")
    func replay() {
        var net = ChannelNet()
        rotate(&net, [0])
        net.nodes[0].follow(active: 2, oldest: 2)
        net.send([1], from: 2, to: 0)
        net.settle()
        let before = net.history
        for letter in before where letter.to == 0 {
            let rejection = net.deliver(letter)
            #expect(rejection != nil)
        }
        #expect(net.letters.isEmpty, "nothing was answered")
    }

    @Test("of two handshakes under a past secret the older does not push out the newer")
    func olderErrand() {
        var net = ChannelNet()
        rotate(&net, [0])
        net.nodes[0].follow(active: 2, oldest: 2)
        net.send([1], from: 2, to: 0)
        let first = net.letters.removeFirst()
        net.wait(.milliseconds(300)) { _ in false }
        net.send([2], from: 2, to: 0)
        let initiations = net.history.filter { $0.bytes[0] == Kind.initiation }
        #expect(initiations.count == 2)
        if let second = initiations.last { #expect(net.deliver(second) == nil) }
        #expect(net.deliver(first) == .replayed)
        net.settle()
        #expect(net.nodes[2].keyring?.active == 2)
    }

    @Test("streams begin with any secret in use, and not with a past one")
    func streams() throws {
        var entropy = SeededEntropy(seed: 8)
        var old = makeKeys(ada)
        var new = makeKeys(bob)
        _ = new.keyring.install(secret(2), epoch: 2)
        _ = new.keyring.activate(2)
        func talk(_ a: ChannelKeys, _ b: ChannelKeys) -> StreamRejection? {
            var caller = StreamChannel(initiatorTo: bob, keys: a, entropy: &entropy)
            var called = StreamChannel(responder: b, entropy: &entropy)
            do throws(StreamRejection) {
                let output = try called.receive(caller.start())
                _ = try caller.receive(output.reply)
                return nil
            } catch { return error }
        }
        #expect(talk(old, new) == nil)
        _ = new.keyring.retire(before: 2)
        #expect(talk(old, new) == .wrongEpoch)
        _ = old.keyring.install(secret(2), epoch: 2)
        _ = old.keyring.activate(2)
        #expect(talk(old, new) == nil)
    }
}

@Suite("Who joins and who is revoked while sessions run")
struct RosterChangeTests {
    private func peers(revoked: Set<NodeID> = [], adding: [NodeID] = []) -> [ChannelKeys.Peer] {
        (ChannelNet.ids + adding).map {
            ChannelKeys.Peer(node: $0, exchangeKey: makePair($0).publicKey, isRevoked: revoked.contains($0))
        }
    }

    @Test(
        "a revoked peer's session ends at once, its frames and handshakes open nowhere, and it stays so after a restart"
    )
    func revoked() {
        var net = ChannelNet()
        net.connect(0, 2)
        net.connect(1, 2)
        net.nodes[0].adopt(peers(revoked: [eve]), notices: [:])
        // Unanswered, it begins a handshake after a while.
        for _ in 0..<4 {
            net.send([1], from: 2, to: 0)
            net.wait(.seconds(2))
        }
        net.send([2], from: 0, to: 2)
        net.settle()
        #expect(net.payloads(at: 0) == [] && net.payloads(at: 2) == [])
        #expect(net.rejections.contains(.unknownSession) && net.rejections.contains(.unknownPeer))
        net.send([3], from: 1, to: 2)
        net.settle()
        #expect(net.payloads(at: 2) == [[3]], "bob has not heard of it")
        net.nodes[0].adopt(peers(), notices: [:])
        net.send([4], from: 2, to: 0)
        net.wait(.seconds(5))
        #expect(net.payloads(at: 0) == [], "nobody comes back")
    }

    @Test("a revoked peer that calls is told so by a core node, and nothing it says arrives")
    func told() {
        var net = ChannelNet()
        net.nodes[0].adopt(peers(revoked: [eve]), notices: [eve: [1, 2, 3]])
        net.send([9], from: 2, to: 0)
        net.wait(.seconds(1))
        #expect(net.nodes[2].takeNotice() == [1, 2, 3])
        #expect(net.nodes[2].takeNotice() == nil)
        #expect(net.payloads(at: 0) == [])
    }

    @Test("a peer that joins is spoken with at once; places of the others stay, so their sessions go on")
    func joined() {
        let zoe = NodeID(high: 0x1, low: 0x1)  // before all others by its id
        var net = ChannelNet()
        net.connect(0, 1)
        net.send([1], from: 0, to: 1)
        net.nodes[0].adopt(peers(adding: [zoe]), notices: [:])
        net.nodes[1].adopt(peers(adding: [zoe]), notices: [:])
        net.send([2], from: 1, to: 0)
        net.settle()
        #expect(net.payloads(at: 1) == [[1]] && net.payloads(at: 0) == [[2]] && net.rejections.isEmpty)
        let waits = net.nodes[0].seal([3], kind: .gossip, to: zoe, now: net.now)
        #expect(waits == nil && net.nodes[0].hasOutbox, "a handshake with the new peer begins")
    }
}
