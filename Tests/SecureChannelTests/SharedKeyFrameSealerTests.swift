import Primitives
import SecureChannel
import Testing

@Suite struct SharedKeyFrameSealerTests {
    @Test(arguments: FrameKind.allCases)
    func `an opened frame names its sender, its kind and its payload`(_ kind: FrameKind) throws {
        var sender = makeSealer(ada)
        var receiver = makeSealer(bob)
        for payload in [[], [1], [UInt8](repeating: 7, count: SharedKeyFrameSealer.payloadByteCountMax)] {
            let frame = sender.seal(payload, kind: kind, to: bob)
            #expect(frame.count == payload.count + sender.overhead)
            let opened = try receiver.open(frame)
            #expect(
                opened
                    == OpenedFrame(
                        peer: AuthenticatedPeer(node: ada, assurance: .unproven), kind: kind, payload: payload))
        }
        receiver.checkInvariants()
    }

    @Test func `the largest frame is 1200 bytes`() {
        var sender = makeSealer(ada)
        let payload = [UInt8](repeating: 0, count: SharedKeyFrameSealer.payloadByteCountMax)
        #expect(sender.seal(payload, kind: .gossip, to: bob).count == 1200)
    }

    @Test func `a payload does not show, and equal payloads give unequal frames`() {
        var sender = makeSealer(ada)
        let payload = Array("a secret that must not travel in the clear".utf8)
        let one = sender.seal(payload, kind: .gossip, to: bob)
        let two = sender.seal(payload, kind: .gossip, to: bob)
        #expect(one.dropFirst(sender.overhead - 16) != two.dropFirst(sender.overhead - 16))
        #expect(!one.contains(payload))
    }

    @Test func `a frame with any one bit flipped is refused, and harms nothing`() {
        var sender = makeSealer(ada)
        var receiver = makeSealer(bob)
        let frame = sender.seal([1, 2, 3], kind: .gossip, to: bob)
        for bit in 0..<frame.count * 8 {
            var forged = frame
            forged[bit / 8] ^= 1 << UInt8(bit % 8)
            let expected: FrameRejection =
                switch bit / 8 {
                case 0: .malformed
                case 1: FrameKind(rawValue: forged[1]) == nil ? .malformed : .unauthentic
                case 2..<10: .foreignCluster
                case 10..<14: .misdirected
                default: .unauthentic
                }
            #expect(receiver.rejection(of: forged) == expected, "bit \(bit)")
        }
        #expect(receiver.rejection(of: frame) == nil)
        receiver.checkInvariants()
    }

    @Test func `a frame cut short or grown is refused`() {
        var sender = makeSealer(ada)
        var receiver = makeSealer(bob)
        let frame = sender.seal([1, 2, 3], kind: .raft, to: bob)
        for count in 0..<frame.count {
            let expected: FrameRejection = count < sender.overhead ? .malformed : .unauthentic
            #expect(receiver.rejection(of: Array(frame.prefix(count))) == expected)
        }
        #expect(receiver.rejection(of: frame + [0]) == .unauthentic)
        #expect(receiver.rejection(of: frame + [UInt8](repeating: 0, count: 1200)) == .malformed)
        #expect(receiver.rejection(of: frame) == nil)
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `random bytes never open`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var sender = makeSealer(ada)
        var receiver = makeSealer(bob)
        let header = sender.seal([], kind: .gossip, to: bob).prefix(46)
        for _ in 0..<200 {
            let noise = random.bytes(random.below(1300))
            #expect(receiver.rejection(of: noise) != nil)
            #expect(receiver.rejection(of: header + random.bytes(40 + random.below(100))) == .unauthentic)
        }
    }

    @Test func `a replayed frame is refused, in any order`() {
        var sender = makeSealer(ada)
        var receiver = makeSealer(bob)
        let frames = (0..<5).map { sender.seal([$0], kind: .gossip, to: bob) }
        for index in [2, 0, 4, 1, 3] { #expect(receiver.rejection(of: frames[index]) == nil) }
        for frame in frames { #expect(receiver.rejection(of: frame) == .replayed) }
    }

    @Test func `a frame of another cluster is refused, even with this cluster's tag`() {
        var stranger = makeSealer(ada, cluster: makeCluster(2))
        var receiver = makeSealer(bob)
        var frame = stranger.seal([1], kind: .gossip, to: bob)
        #expect(receiver.rejection(of: frame) == .foreignCluster)
        var local = makeSealer(ada)
        frame.replaceSubrange(2..<10, with: local.seal([], kind: .gossip, to: bob)[2..<10])
        #expect(receiver.rejection(of: frame) == .unauthentic)
    }

    @Test func `two clusters that share a secret by mistake stay apart`() {
        let one = makeCluster()
        let two = ClusterKey(id: Array(0..<16), secret: one.secret)
        var sender = makeSealer(ada, cluster: two)
        var receiver = makeSealer(bob, cluster: one)
        var frame = sender.seal([1], kind: .gossip, to: bob)
        var local = makeSealer(ada)
        frame.replaceSubrange(2..<10, with: local.seal([], kind: .gossip, to: bob)[2..<10])
        #expect(receiver.rejection(of: frame) == .unauthentic)
    }

    @Test func `a frame for another node is refused, even readdressed`() {
        var sender = makeSealer(ada)
        var wrong = makeSealer(eve)
        var frame = sender.seal([1], kind: .gossip, to: bob)
        #expect(wrong.rejection(of: frame) == .misdirected)
        frame.replaceSubrange(10..<14, with: sender.seal([1], kind: .gossip, to: eve)[10..<14])
        #expect(wrong.rejection(of: frame) == .unauthentic)
    }

    @Test func `a recipient that shares the four visible bytes still cannot open`() {
        var sender = makeSealer(ada)
        var twin = makeSealer(NodeID(high: bob.high ^ 1, low: bob.low))
        #expect(twin.rejection(of: sender.seal([1], kind: .gossip, to: bob)) == .unauthentic)
    }

    @Test func `a node's own frame sent back to it is refused`() {
        var sender = makeSealer(ada)
        #expect(sender.rejection(of: sender.seal([1], kind: .gossip, to: bob)) == .echoed)
        #expect(sender.rejection(of: sender.seal([1], kind: .gossip, to: ada)) == .echoed)
    }

    @Test func `frames of an earlier start are refused once a later one was heard`() {
        var early = makeSealer(ada, bootEpoch: 1)
        var late = makeSealer(ada, bootEpoch: 2)
        var receiver = makeSealer(bob)
        let before = early.seal([1], kind: .gossip, to: bob)
        let held = early.seal([2], kind: .gossip, to: bob)
        #expect(receiver.rejection(of: before) == nil)
        #expect(receiver.rejection(of: late.seal([3], kind: .gossip, to: bob)) == nil)
        #expect(receiver.rejection(of: held) == .replayed)
        #expect(receiver.rejection(of: before) == .replayed)
        #expect(receiver.rejection(of: late.seal([4], kind: .gossip, to: bob)) == nil)
    }

    @Test func `a forged later start does not lock out the sender`() {
        var sender = makeSealer(ada)
        var receiver = makeSealer(bob)
        var forged = sender.seal([1], kind: .gossip, to: bob)
        forged.replaceSubrange(30..<38, with: [UInt8](repeating: 0xFF, count: 8))
        #expect(receiver.rejection(of: forged) == .unauthentic)
        #expect(receiver.rejection(of: sender.seal([2], kind: .gossip, to: bob)) == nil)
    }

    @Test func `beyond 1024 senders the one heard longest ago is forgotten`() {
        var receiver = makeSealer(bob)
        var frames: [[UInt8]] = []
        for index in 0...1024 {
            var sender = makeSealer(NodeID(high: 0x5E4D, low: UInt64(index)))
            let frame = sender.seal([1], kind: .gossip, to: bob)
            frames.append(frame)
            #expect(receiver.rejection(of: frame) == nil)
            receiver.checkInvariants()
        }
        #expect(receiver.rejection(of: frames[1]) == .replayed)
        // The documented price of forgetting.
        #expect(receiver.rejection(of: frames[0]) == nil)
        #expect(receiver.rejection(of: frames[1]) == nil)
        #expect(receiver.rejection(of: frames[1024]) == .replayed)
    }
}
