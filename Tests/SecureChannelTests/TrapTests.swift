import Foundation
import Primitives
import SecureChannel
import Testing

/// What secure channels of others were bitten by, where no other test says it outright. SECURITY.md lists them all.
@Suite("Traps of secure channels")
struct TrapTests {
    /// What a counter under a key does to a plaintext; equal ones for two frames would show the difference of their content.
    private func keystream(_ frame: [UInt8], _ payload: [UInt8]) -> [UInt8] {
        zip(frame.dropFirst(Session.headerByteCount + 1), payload).map { $0 ^ $1 }
    }

    @Test("counters are nonces, so no key is shared: between pairs, directions, lives and renewals none repeats")
    func noSharedKey() {
        var net = ChannelNet()
        let payload = [UInt8](0..<32)
        var seen: [[UInt8]] = []
        for life in 0..<3 {
            for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
                net.send(payload, from: from, to: to)
                net.settle()
                // Frames of each session's first counters.
                for _ in 0..<4 {
                    net.send(payload, from: from, to: to)
                    if let frame = net.letters.last { seen.append(keystream(frame.bytes, payload)) }
                    net.settle()
                }
            }
            if life == 0 { net.wait(.seconds(185)) } else { for node in 0..<3 { net.restart(node) } }
        }
        #expect(seen.count == 72 && Set(seen).count == seen.count)
    }

    @Test("nothing that a seed decides makes keys or nonces of a product: its entropy is libsodium's alone")
    func entropyOfTheProduct() throws {
        var (one, other) = (SodiumEntropy(), SodiumEntropy())
        let (a, b) = (one.bytes(32), other.bytes(32))
        #expect(a != b)
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Sources").resolvingSymlinksInPath()
        let files = try #require(FileManager.default.enumerator(atPath: root.path)).compactMap { $0 as? String }
        var seeded: [String] = []
        var kinds: [String] = []
        for file in files where file.hasSuffix(".swift") && !file.hasPrefix("Simulator/") {
            let text = try String(contentsOf: root.appendingPathComponent(file), encoding: .utf8)
            if text.contains("SeededEntropy") { seeded.append(file) }
            for line in text.split(separator: "\n") where line.contains(": Entropy {") { kinds.append(String(line)) }
        }
        #expect(files.count > 100)
        #expect(seeded == [], "a simulation's entropy has left the simulator")
        #expect(kinds == ["package struct SodiumEntropy: Entropy {"], "another source of keys")
    }

    @Test("a frame is tried under the one key that its header names, whoever else's would fit")
    func noTrialDecryption() throws {
        var net = ChannelNet()
        net.connect(0, 1)
        net.connect(2, 1)
        net.send([1], from: 0, to: 1)
        let mine = try #require(net.letters.last)
        net.settle()
        // With a counter that the other session has not seen.
        for _ in 0..<9 { net.send([2], from: 2, to: 1) }
        var letter = try #require(net.letters.last)
        net.letters.removeLast()
        // The other session's index, in a frame that opens under its own.
        letter.bytes.replaceSubrange(1..<5, with: mine.bytes[1..<5])
        #expect(net.deliver(letter) == .unauthentic)
        letter.bytes.replaceSubrange(1..<5, with: [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(net.deliver(letter) == .unknownSession)
        #expect(net.payloads(at: 1) == [[1]])
    }

    @Test(
        "nothing is parsed before it is authentic: junk of any first byte and length is refused as such, and never answered"
    )
    func junk() {
        var net = ChannelNet()
        net.connect()
        let before = net.history.count
        var random = SeededRandom(seed: 7)
        for first in UInt8.min...UInt8.max {
            for length in [1, 4, 5, 13, 29, 30, 31, 65, 73, 153, 154, 1200, 1201, 1400] {
                #expect(net.give([first] + random.bytes(length - 1), to: 1, from: net.addresses[0]) != nil)
            }
        }
        #expect(net.history.count == before && net.payloads(at: 1) == [])
        net.send([1], from: 0, to: 1)
        net.settle()
        #expect(net.payloads(at: 1) == [[1]])
    }

    @Test("a NAT that gives a peer another port in mid-session: nothing is lost, and answers follow it")
    func natRebinding() {
        var net = ChannelNet()
        net.connect()
        for number in 0..<20 {
            net.addresses[0] = Endpoint(ipv4: 10, 0, 0, 1, port: UInt16(20_000 + number))
            net.send([UInt8(number)], from: 0, to: 1)
            net.settle()
            net.wait(.milliseconds(300))
            #expect(net.nodes[1].path(to: ada) == net.addresses[0])
            net.send([UInt8(number)], from: 1, to: 0)
            net.settle()
        }
        #expect(net.payloads(at: 1) == (0..<20).map { [$0] } && net.payloads(at: 0) == (0..<20).map { [$0] })
        #expect(!net.history.dropFirst(10).contains { $0.bytes[0] == Kind.initiation }, "no handshake was needed")
    }
}
