import Primitives
import SecureChannel
import Testing

@Suite("Sessions with each peer")
struct PeerSessionsTests {
    @Test("what waits for a session arrives once it stands, in order, under the sender's proven name")
    func first() {
        var net = ChannelNet()
        for number in 1...5 as ClosedRange<UInt8> { net.send([number], from: 0, to: 1, kind: .raft) }
        #expect(net.kinds == [Kind.initiation], "one handshake, and no payload before it")
        net.settle()
        #expect(net.payloads(at: 1) == [[1], [2], [3], [4], [5]])
        #expect(net.opened.allSatisfy { $0.frame.peer == AuthenticatedPeer(node: ada) && $0.frame.kind == .raft })
        net.send([9], from: 1, to: 0)
        #expect(net.kinds == [Kind.transport], "the session serves both ways")
        net.settle()
        #expect(net.payloads(at: 0) == [[9]])
    }

    @Test("a bounded number of frames waits; the oldest goes")
    func waiting() {
        var net = ChannelNet()
        for number in 0..<40 as Range<UInt8> { net.send([number], from: 0, to: 1) }
        net.settle()
        #expect(net.payloads(at: 1) == (24..<40).map { [$0] })
    }

    @Test("sizes: a frame of at most 1200 bytes, an overhead of 30, answers smaller than questions")
    func sizes() {
        var net = ChannelNet()
        net.send([1], from: 0, to: 1)
        let hello = net.letters[0].bytes.count
        net.deliver(net.letters.removeFirst())
        #expect(hello == 153)
        #expect(Double(net.letters[0].bytes.count) / Double(hello) <= 0.63)
        net.connect()
        let payload = [UInt8](repeating: 7, count: Session.payloadByteCountMax)
        net.send(payload, from: 0, to: 1)
        #expect(net.letters.last?.bytes.count == 1200)
        #expect(net.nodes[0].overhead == 30)
        net.settle()
        #expect(net.payloads(at: 1).last == payload)
    }

    @Test("a frame opens at its recipient alone, and once")
    func once() {
        var net = ChannelNet()
        net.connect(0, 1)
        net.connect(0, 2)
        net.send([1], from: 0, to: 1)
        let letter = net.letters[0]
        net.settle()
        #expect(net.deliver(letter) == .replayed)
        let stolen = net.give(letter.bytes, to: 2, from: letter.source)
        #expect(stolen == .unauthentic || stolen == .unknownSession)
        let mirrored = net.give(letter.bytes, to: 0, from: net.addresses[1])
        #expect(mirrored == .unauthentic || mirrored == .unknownSession)
        #expect(net.payloads(at: 1).count == 1)
    }

    @Test("a payload does not show, and equal payloads give unequal frames")
    func hidden() {
        var net = ChannelNet()
        net.connect()
        let text = Array("a secret that must not travel in the clear".utf8)
        net.send(text, from: 0, to: 1)
        net.send(text, from: 0, to: 1)
        let (one, two) = (net.letters[0].bytes, net.letters[1].bytes)
        #expect(one.dropFirst(13) != two.dropFirst(13))
        let shown = (0...one.count - 8).contains { one[$0..<$0 + 8].elementsEqual(text[0..<8]) }
        #expect(!shown)
    }

    @Test("the whole clear header is covered: a frame with any bit changed, or cut, does not open or move the window")
    func forged() {
        var net = ChannelNet()
        net.connect()
        net.send([1, 2, 3], from: 0, to: 1)
        let letter = net.letters.removeFirst()
        for bit in 0..<letter.bytes.count * 8 {
            var bytes = letter.bytes
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(net.give(bytes, to: 1, from: letter.source) != nil, "bit \(bit)")
        }
        for count in 0..<letter.bytes.count {
            #expect(net.give(Array(letter.bytes.prefix(count)), to: 1, from: letter.source) != nil)
        }
        #expect(net.letters.isEmpty, "silence on failure")
        #expect(net.deliver(letter) == nil)
        #expect(net.payloads(at: 1) == [[1, 2, 3]])
    }

    @Test("frames out of order open within the window of at least 2048, each once")
    func window() {
        var net = ChannelNet()
        net.connect()
        for number in 0..<2100 { net.send([UInt8(number % 251)], from: 0, to: 1) }
        let letters = net.letters
        net.letters = []
        #expect(net.deliver(letters[2099]) == nil)
        for letter in letters[52..<2099].reversed() { #expect(net.deliver(letter) == nil) }
        for letter in letters[52..<2099] { #expect(net.deliver(letter) == .replayed) }
    }

    @Test("a session is replaced every two minutes while frames flow, and none is lost")
    func rekey() {
        var net = ChannelNet()
        net.connect()
        var sent = 0
        for _ in 0..<600 {
            net.send([1], from: 0, to: 1)
            net.send([2], from: 1, to: 0)
            sent += 1
            net.wait(.seconds(1))
        }
        #expect(net.payloads(at: 1).count == sent && net.payloads(at: 0).count == sent)
        let handshakes = net.history.count { $0.bytes[0] == Kind.initiation }
        #expect((5...6).contains(handshakes), "\(handshakes)")
    }

    @Test("keys that are out of use are forgotten: a frame held back for four minutes does not open")
    func expiry() {
        var net = ChannelNet()
        net.connect()
        net.send([1], from: 0, to: 1)
        let held = net.letters.removeFirst()
        net.wait(.seconds(240))
        #expect(net.deliver(held) == .unknownSession)
    }

    @Test("a restarted peer is spoken with again at once if it speaks first, and within seconds if it does not")
    func restart() {
        var net = ChannelNet()
        net.connect()
        net.restart(1)
        net.send([1], from: 1, to: 0)
        net.settle()
        #expect(net.payloads(at: 0) == [[1]])
        net.restart(1)
        for _ in 0..<30 {
            net.send([2], from: 0, to: 1)
            net.wait(.milliseconds(100))
        }
        #expect(net.payloads(at: 1).count >= 15)
    }

    @Test("nobody outside the roster, and nobody without the cluster's secret, gets a session")
    func outsiders() {
        var net = ChannelNet()
        net.replace(0, cluster: ClusterKey(id: makeCluster().id, secret: makeCluster(2).secret))
        net.send([1], from: 0, to: 1)
        net.wait(.seconds(20))
        #expect(net.opened.isEmpty)
        let keys = makeKeys(NodeID(high: 9, low: 9), among: [NodeID(high: 9, low: 9), bob])
        var stranger = PeerSessions(keys: keys, bootEpoch: 1, entropy: SeededEntropy(seed: 9))
        _ = stranger.seal([1], kind: .gossip, to: bob, now: net.now)
        #expect(net.give(stranger.takeOutbox()[0].bytes, to: 1, from: net.addresses[2]) == .unknownPeer)
        #expect(net.letters.isEmpty)
        net.replace(0, cluster: makeCluster(3))
        net.send([1], from: 0, to: 1)
        #expect(net.deliver(net.letters.removeFirst()) == .unauthentic, "another cluster: not even its code is right")
    }
}
