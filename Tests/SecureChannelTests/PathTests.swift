import Primitives
import SecureChannel
import Testing

@Suite("Addresses that move")
struct PathTests {
    private static let elsewhere = Endpoint(ipv4: 198, 51, 100, 7, port: 4000)

    @Test("a peer that moves is followed after it has shown that it receives there")
    func moves() {
        var net = ChannelNet()
        net.connect()
        #expect(net.nodes[1].path(to: ada) == net.addresses[0])
        let before = net.addresses[0]
        net.addresses[0] = Self.elsewhere
        net.send([1], from: 0, to: 1)
        net.deliver(net.letters.removeFirst())
        #expect(net.nodes[1].path(to: ada) == before, "one frame proves nothing about the address")
        #expect(net.kinds == [Kind.transport])
        net.settle()
        #expect(net.nodes[1].path(to: ada) == Self.elsewhere)
        #expect(net.payloads(at: 1) == [[1]])
    }

    @Test("a frame that somebody copied from elsewhere moves nothing, and causes at most thrice its size")
    func copied() {
        var net = ChannelNet()
        net.connect()
        net.send([], from: 0, to: 1)
        let letter = net.letters.removeFirst()
        net.addresses[2] = Self.elsewhere
        // It overtakes the genuine one: it opens, and the challenge goes to the one who cannot answer it.
        #expect(net.give(letter.bytes, to: 1, from: Self.elsewhere) == nil)
        #expect(net.letters.reduce(0) { $0 + $1.bytes.count } <= 3 * letter.bytes.count)
        net.settle()
        #expect(net.nodes[1].path(to: ada) == net.addresses[0])
        #expect(net.give(letter.bytes, to: 1, from: Self.elsewhere) == .replayed)
        #expect(net.letters.isEmpty)
    }

    @Test("late frames from the old address do not call it back")
    func late() {
        var net = ChannelNet()
        net.connect()
        net.send([1], from: 0, to: 1)
        let late = net.letters.removeFirst()
        net.addresses[0] = Self.elsewhere
        net.send([2], from: 0, to: 1)
        net.settle()
        #expect(net.deliver(late) == nil)
        #expect(net.letters.isEmpty)
        #expect(net.nodes[1].path(to: ada) == Self.elsewhere)
    }

    @Test("an address where nothing is answered is given up for the one that membership knows")
    func givenUp() {
        var net = ChannelNet()
        net.connect()
        for _ in 0..<25 {
            net.send([1], from: 0, to: 1)
            net.wait(.milliseconds(100)) { _ in false }
        }
        #expect(net.nodes[0].path(to: bob) == nil)
        net.send([2], from: 0, to: 1)
        net.wait(.seconds(3))
        net.send([3], from: 1, to: 0)
        net.settle()
        #expect(net.nodes[0].path(to: bob) == net.addresses[1])
    }

    @Test("the frame that shows a session to stand proves no address if somebody sent it on from elsewhere")
    func copiedConfirmation() {
        var net = ChannelNet()
        net.send([1], from: 0, to: 1)
        for _ in 0..<2 { net.deliver(net.letters.removeFirst()) }
        let first = net.letters.removeFirst()
        #expect(first.bytes[0] == Kind.transport)
        #expect(net.give(first.bytes, to: 1, from: Self.elsewhere) == nil)
        #expect(net.payloads(at: 1) == [[1]] && net.nodes[1].path(to: ada) == nil)
        net.settle()
        #expect(net.nodes[1].path(to: ada) != Self.elsewhere)
    }

    @Test("a response that somebody passed on from elsewhere leads nothing there")
    func copiedResponse() {
        var net = ChannelNet()
        net.send([1], from: 0, to: 1)
        net.deliver(net.letters.removeFirst())
        let response = net.letters.removeFirst()
        #expect(net.give(response.bytes, to: 0, from: Self.elsewhere) == nil)
        #expect(net.nodes[0].path(to: bob) == nil)
        net.settle()
        #expect(net.nodes[0].path(to: bob) != Self.elsewhere)
    }
}
