import NodeCore
import Primitives
import SecureChannel

// How messages travel: datagrams as the network pleases, streams in order.
extension World {
    mutating func sendDatagram(_ bytes: [UInt8], from: Int, to: Int) {
        let fate = network.fate(from: from, to: to, bytes: bytes.count, random: &random)
        guard case .delivered(let delay, let repeatDelay) = fate else {
            if recording != nil { recordDatagram(bytes, from: from, to: to, arrival: nil) }
            return
        }
        if recording != nil { recordDatagram(bytes, from: from, to: to, arrival: now + delay) }
        if network.hasMischief { return sendOddly(bytes, from: from, to: to, delay: delay) }
        let parcel = NodeInput.datagram(bytes, from: nodes[from].endpoint)
        queue.add(.arrival(to, inFlight.put(parcel)), at: now + delay)
        if let repeatDelay { queue.add(.arrival(to, inFlight.put(parcel)), at: now + repeatDelay) }
    }

    /// Like TCP: in order, once, late where datagrams would be lost, and gone with the connection when the link is cut.
    mutating func sendOnStream(_ input: NodeInput, from: Int, to: Int) {
        guard let delay = network.streamDelay(from: from, to: to, random: &random) else { return }
        var at = max(now + delay, network.streamFreeAt(from: from, to: to))
        if network.hasMischief {
            let mischief = network.mischief(from: from, to: to)
            if mischief.stalledUntil > at { faults.note(.streamStall) }
            if mischief.cloggedUntil > at { faults.note(.clog) }
            at = max(at, mischief.stalledUntil, mischief.cloggedUntil)
        }
        recording?.note(message: "stream", from: from, to: to, at: now, arrival: at)
        network.noteStream(from: from, to: to, arrivesAt: at)
        let stream = StreamID(from: from, to: to, generation: network.streamGeneration(from: from, to: to))
        queue.add(.streamArrival(stream, inFlight.put(input)), at: at)
    }

    /// A message on a stream arrives unless its connection was reset meanwhile.
    mutating func takeFromStream(_ stream: StreamID, _ parcel: Int) -> NodeInput? {
        let input = inFlight.take(parcel)
        guard stream.generation == network.streamGeneration(from: Int(stream.from), to: Int(stream.to)) else {
            faults.note(.streamReset)
            return nil
        }
        return input
    }

    func index(of endpoint: Endpoint) -> Int? {
        guard endpoint.isIPv4 else { return nil }
        let number = Int(endpoint.low & 0xFF)
        return (1...nodes.count).contains(number) ? number - 1 : nil
    }

    // MARK: Odd links

    /// One datagram over a link that does more than delay it.
    private mutating func sendOddly(_ bytes: [UInt8], from: Int, to: Int, delay: Duration) {
        let mischief = network.mischief(from: from, to: to)
        var (bytes, target, source, at) = (bytes, to, nodes[from].endpoint, now + delay)
        recorder.record(Recorder.Recorded(bytes: bytes, from: from, to: to, life: nodes[to].life))
        if strikes(mischief.replayPerMille, .replay), let old = recorder.draw(&random), nodes[old.to].life == old.life {
            arrive(old.bytes, at: old.to, from: nodes[old.from].endpoint, when: at)
        }
        if strikes(mischief.reorderPerMille, .reordering) {
            at = at + random.duration(in: .milliseconds(1)...(.milliseconds(50)))
        }
        if strikes(mischief.stragglePerMille, .straggler) {
            at = at + random.duration(in: .milliseconds(100)...(.seconds(4)))
        }
        if at < mischief.cloggedUntil {
            faults.note(.clog)
            at = mischief.cloggedUntil + delay
        }
        if strikes(mischief.misdeliverPerMille, .misdelivery) { target = random.below(nodes.count) }
        if strikes(mischief.strangeSourcePerMille, .strangeSource) {
            source = Endpoint(ipv4: 10, 0, 1, UInt8(from + 1), port: UInt16(1024 + random.below(60_000)))
        }
        if !isSealed, bytes[0] == FrameKind.raft.rawValue, strikes(mischief.impersonatePerMille, .impersonation) {
            impersonate(&bytes, from: from)
        }
        if strikes(mischief.corruptPerMille, .corruption) { corrupt(&bytes) }
        if strikes(mischief.truncatePerMille, .truncation) { truncate(&bytes) }
        arrive(bytes, at: target, from: source, when: at)
    }

    private mutating func strikes(_ perMille: Int, _ fault: FaultClass) -> Bool {
        guard perMille > 0, random.chance(perMille, in: 1000) else { return false }
        faults.note(fault)
        return true
    }

    private mutating func arrive(_ bytes: [UInt8], at node: Int, from source: Endpoint, when: Instant) {
        queue.add(.arrival(node, inFlight.put(.datagram(bytes, from: source))), at: when)
    }

    /// The sender names a replica that the roster binds to another node. (One that nobody has heard of yet would be
    /// remembered as the sender's own.)
    private mutating func impersonate(_ bytes: inout [UInt8], from: Int) {
        let others = provision.roster.entries.filter { $0.node != nodes[from].id }
        guard let other = random.element(of: others) else { return }
        var writer = ByteWriter(capacity: 8)
        writer.write(other.replica)
        bytes.replaceSubrange(bytes.count - 8..<bytes.count, with: writer.bytes)
    }

    /// Any bit of a sealed frame. A clear one has no seal that would show it, so there the damage is put where opening
    /// looks.
    private mutating func corrupt(_ bytes: inout [UInt8]) {
        if isSealed {
            let bit = random.below(bytes.count * 8)
            bytes[bit / 8] ^= 1 << (bit % 8)
        } else {
            bytes[ClearFrameSealer.senderOffset] = 0xFF
        }
    }

    private mutating func truncate(_ bytes: inout [UInt8]) {
        bytes = Array(bytes.prefix(random.below(isSealed ? bytes.count : ClearFrameSealer.headerBytes)))
    }

    /// Frames of another mesh, as from a neighbour that was given the wrong address.
    package mutating func sendForeignFrames(_ count: Int, to node: Int) {
        let sender = (node + 1) % nodes.count
        let seed = random.next()
        for number in 0..<count {
            var frame = random.bytes(40)
            if isSealed {
                var foreign = PeerSessions(
                    keys: .simulated(cluster: Array("some-other-mesh!".utf8), nodes: nodes.map(\.id), me: sender),
                    bootEpoch: 1, entropy: SeededEntropy(seed: seed &+ UInt64(number)))
                _ = foreign.seal(frame, kind: .raft, to: nodes[node].id, now: .zero)
                // Who is alone has no neighbour.
                guard let call = foreign.takeOutbox().first else { return }
                frame = call.bytes
            } else {
                frame[ClearFrameSealer.senderOffset] = 0xFF
            }
            faults.note(.foreignFrame)
            arrive(frame, at: node, from: nodes[sender].endpoint, when: now)
        }
    }

    /// Breaks the connections between two nodes: what is under way on them is gone.
    package mutating func resetStreams(_ a: Int, _ b: Int) {
        network.resetStream(from: a, to: b)
        network.resetStream(from: b, to: a)
    }
}
