import Primitives
import SecureChannel
import Testing

@Suite("Handshakes under attack and loss")
struct HandshakeTests {
    @Test("of two simultaneous handshakes the one of the node with the greater id stands, alone")
    func simultaneous() {
        var net = ChannelNet()
        net.send([1], from: 0, to: 1)
        net.send([2], from: 1, to: 0)
        #expect(net.kinds == [Kind.initiation, Kind.initiation])
        net.settle()
        #expect(net.rejections == [.outranked])
        #expect(net.payloads(at: 1) == [[1]] && net.payloads(at: 0) == [[2]])
        #expect(net.history.count { $0.bytes[0] == Kind.response } == 1)
        net.wait(.seconds(5))
        #expect(net.history.count { $0.bytes[0] == Kind.initiation } == 2, "nobody tries again")
    }

    @Test(
        "with half of all datagrams lost, both ways, sessions stand within seconds",
        arguments: 1...40 as ClosedRange<UInt64>)
    func loss(seed: UInt64) {
        var net = ChannelNet(seed: seed)
        var random = SeededRandom(seed: seed)
        var chance = random.fork()
        for _ in 0..<100 {
            net.send([1], from: 0, to: 1)
            net.send([2], from: 1, to: 0)
            net.wait(.milliseconds(100)) { _ in chance.chance(1, in: 2) }
        }
        #expect(net.payloads(at: 0).count > 10 && net.payloads(at: 1).count > 10, "seed \(seed)")
    }

    @Test(
        "a peer that is called once a second is reached over paths of any length up to a second",
        arguments: [10, 240, 600, 950])
    func longPath(roundTrip: Int) {
        var net = ChannelNet()
        net.latency = .milliseconds(roundTrip) / 2
        for second in 0..<8 {
            net.send([UInt8(second)], from: 0, to: 1)
            net.wait(.seconds(1))
        }
        #expect(net.payloads(at: 1).count > 2, "\(net.payloads(at: 1))")
        // And when the session is replaced, nothing is lost on the way.
        let before = net.payloads(at: 1).count
        for second in 0..<160 {
            net.send([UInt8(second)], from: 0, to: 1)
            net.send([UInt8(second)], from: 1, to: 0)
            net.wait(.seconds(1))
        }
        net.wait(.seconds(1))
        #expect(net.payloads(at: 1).count == before + 160)
    }

    @Test("a replayed initiation is not answered while its session stands, and opens nothing after a restart")
    func replay() {
        var net = ChannelNet()
        net.connect()
        net.send([1], from: 0, to: 1)
        net.settle()
        let recorded = net.history
        for letter in recorded where letter.to == 1 { #expect(net.deliver(letter) != nil) }
        #expect(net.letters.isEmpty)
        net.restart(1)
        let before = net.opened.count
        for letter in recorded { net.deliver(letter) }
        #expect(net.letters.allSatisfy { $0.bytes[0] == Kind.response }, "an answer, smaller than the question")
        net.settle()
        #expect(net.opened.count == before)
        net.send([5], from: 0, to: 1)
        net.send([6], from: 1, to: 0)
        net.wait(.seconds(3))
        #expect(net.payloads(at: 1).contains([5]) || net.payloads(at: 0).contains([6]))
    }

    @Test("an answered handshake displaces no session, address or handshake until a frame under it opens")
    func pending() {
        var net = ChannelNet()
        net.connect()
        // A handshake of another life of ada, whose response never arrives.
        var later = PeerSessions(keys: makeKeys(ada), bootEpoch: 7, entropy: SeededEntropy(seed: 77))
        _ = later.seal([1], kind: .gossip, to: bob, now: net.now)
        let elsewhere = Endpoint(ipv4: 203, 0, 113, 9, port: 9)
        #expect(net.give(later.takeOutbox()[0].bytes, to: 1, from: elsewhere) == nil)
        #expect(net.nodes[1].path(to: ada) == net.addresses[0])
        net.send([3], from: 1, to: 0)
        net.send([4], from: 0, to: 1)
        net.settle()
        #expect(net.payloads(at: 0) == [[3]] && net.payloads(at: 1) == [[4]])
    }

    @Test("an older handshake than the pending one is refused: a replay cannot push out a genuine one")
    func olderThanPending() {
        var net = ChannelNet()
        net.send([1], from: 0, to: 1)
        let first = net.letters.removeFirst()
        net.wait(.milliseconds(300)) { _ in false }
        net.send([2], from: 0, to: 1)
        let (count, second) = (net.history.count, net.history.last)
        #expect(count == 2)
        if let second { #expect(net.deliver(second) == nil) }
        #expect(net.deliver(first) == .replayed)
        net.settle()
        #expect(net.payloads(at: 1) == [[1], [2]])
    }

    @Test("a forged last stamp that was never confirmed locks nobody out")
    func stampsAreKeptWhenConfirmed() {
        var net = ChannelNet()
        net.connect()
        var forger = PeerSessions(keys: makeKeys(ada), bootEpoch: .max, entropy: SeededEntropy(seed: 77))
        _ = forger.seal([1], kind: .gossip, to: bob, now: net.now)
        #expect(net.give(forger.takeOutbox()[0].bytes, to: 1, from: nil) == nil)
        net.wait(.seconds(11))
        net.restart(0)
        net.send([8], from: 0, to: 1)
        net.settle()
        #expect(net.payloads(at: 1) == [[8]])
    }

    @Test("any bit of an initiation or response changed: no answer, no session, and the genuine one still counts")
    func forged() {
        var net = ChannelNet()
        net.send([1], from: 0, to: 1)
        let hello = net.letters.removeFirst()
        for bit in 0..<(hello.bytes.count - 16) * 8 {
            var bytes = hello.bytes
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(net.give(bytes, to: 1, from: nil) != nil, "bit \(bit)")
        }
        #expect(net.letters.isEmpty)
        net.deliver(hello)
        let response = net.letters.removeFirst()
        for bit in 0..<response.bytes.count * 8 {
            var bytes = response.bytes
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(net.give(bytes, to: 0, from: nil) != nil, "bit \(bit)")
        }
        net.deliver(response)
        net.settle()
        #expect(net.payloads(at: 1) == [[1]])
    }

    @Test(
        "the code comes before any Diffie-Hellman: under a wrong one the very handshake is refused, out of nobody's budget"
    )
    func codeFirst() {
        var net = ChannelNet()
        net.send([1], from: 0, to: 1)
        let hello = net.letters.removeFirst()
        let codeOffset = hello.bytes.count - 32
        for number in 0..<400 {
            var bytes = hello.bytes
            bytes[codeOffset + number % 16] ^= 1 << UInt8(number / 16 % 8)
            #expect(net.give(bytes, to: 1, from: net.addresses[0]) == .unauthentic)
        }
        #expect(net.letters.isEmpty, "no answer, and no cookie")
        net.deliver(hello)
        net.settle()
        #expect(net.payloads(at: 1) == [[1]])
    }

    @Test("all sources together have a budget: beyond it everybody is asked for a cookie, and who has one gets through")
    func budgetOfAll() {
        var net = ChannelNet()
        var answered = 0
        for number in 0..<400 as Range<UInt64> {
            var flooder = PeerSessions(
                keys: makeKeys(eve), bootEpoch: 100 + number, entropy: SeededEntropy(seed: number))
            _ = flooder.seal([1], kind: .gossip, to: bob, now: net.now)
            let spoofed = Endpoint(ipv4: 203, 0, UInt8(number / 200), UInt8(number % 200), port: 9)
            if net.give(flooder.takeOutbox()[0].bytes, to: 1, from: spoofed) == nil { answered += 1 }
        }
        #expect(answered == 300)
        net.send([1], from: 0, to: 1)
        net.settle()
        #expect(net.payloads(at: 1).isEmpty && net.rejections.last == .cookieRequired)
        net.wait(.milliseconds(300))
        #expect(net.payloads(at: 1) == [[1]])
    }

    @Test("a flood of handshakes from one address is answered with cookies, and sessions go on")
    func flood() {
        var net = ChannelNet()
        net.connect(0, 1)
        var answered = 0
        for life in 100..<200 as Range<UInt64> {
            var flooder = PeerSessions(keys: makeKeys(eve), bootEpoch: life, entropy: SeededEntropy(seed: life))
            _ = flooder.seal([1], kind: .gossip, to: bob, now: net.now)
            let hello = flooder.takeOutbox()[0].bytes
            let rejection = net.give(hello, to: 1, from: net.addresses[2])
            if rejection == nil { answered += 1 }
            #expect(net.letters.allSatisfy { Double($0.bytes.count) <= 0.63 * Double(hello.count) })
            net.letters = []
            net.send([7], from: 0, to: 1)
            net.settle()
        }
        #expect(answered == 20)
        #expect(net.payloads(at: 1).count == 100)
    }

    @Test("handshakes that another node passes on have a budget as well, and cause no cookie")
    func passedOn() {
        var net = ChannelNet()
        var answered = 0
        for life in 100..<200 as Range<UInt64> {
            var flooder = PeerSessions(keys: makeKeys(eve), bootEpoch: life, entropy: SeededEntropy(seed: life))
            _ = flooder.seal([1], kind: .gossip, to: bob, now: net.now)
            if net.give(flooder.takeOutbox()[0].bytes, to: 1, from: nil) == nil { answered += 1 }
        }
        #expect(answered == 20)
        #expect(net.letters.count == 20)
    }

    @Test("who shows the cookie of its own address gets through a flood that spoofs it")
    func cookie() {
        var net = ChannelNet()
        for life in 100..<130 as Range<UInt64> {
            var flooder = PeerSessions(keys: makeKeys(eve), bootEpoch: life, entropy: SeededEntropy(seed: life))
            _ = flooder.seal([1], kind: .gossip, to: bob, now: net.now)
            net.give(flooder.takeOutbox()[0].bytes, to: 1, from: net.addresses[0])
        }
        net.letters = []
        net.send([1], from: 0, to: 1)
        net.settle()
        #expect(net.rejections.last == .cookieRequired)
        #expect(net.history.contains { $0.bytes[0] == Kind.cookie && $0.bytes.count == 65 })
        #expect(net.payloads(at: 1).isEmpty)
        net.wait(.milliseconds(300))
        #expect(net.payloads(at: 1) == [[1]])
    }

    @Test("a cookie of one address is worth nothing at another")
    func cookieOfAnother() {
        var net = ChannelNet()
        for life in 100..<130 as Range<UInt64> {
            for address in [net.addresses[0], net.addresses[2]] {
                var flooder = PeerSessions(keys: makeKeys(eve), bootEpoch: life, entropy: SeededEntropy(seed: life))
                _ = flooder.seal([1], kind: .gossip, to: bob, now: net.now)
                net.give(flooder.takeOutbox()[0].bytes, to: 1, from: address)
            }
        }
        net.letters = []
        net.send([1], from: 0, to: 1)
        net.settle()
        net.wait(.milliseconds(300)) { _ in false }
        guard let retry = net.history.last(where: { $0.bytes[0] == Kind.initiation }) else { return }
        #expect(retry.bytes.suffix(16).contains { $0 != 0 })
        #expect(net.give(retry.bytes, to: 1, from: net.addresses[2]) == .cookieRequired)
        #expect(net.give(retry.bytes, to: 1, from: net.addresses[0]) == nil)
    }
}
