import Primitives
import Raft
import SecureChannel

// One hop around a broken link (after Cloudflare's outage of November 2020, where two nodes that reached everybody but
// each other could not agree on a leader).
//
//     origin --seal for target--> inner frame
//     origin --relay: target, deaf, inner--> relay --relayed: origin, deaf, inner--> target --open inner
//
// `deaf` says that the origin hears nothing directly, so that the target answers around the link too. Without it two
// peers would keep each other relaying for ever after the link is mended.
//
// What is too large for a datagram, by itself or wrapped, takes the same two steps on the streams to and from the relay.
//
// The inner frame is sealed by its origin for its target: a relay can delay or drop it, and neither read nor forge. What
// arrives as `.relayed` is opened once more and may only be a handshake, consensus or a request between brains, so nothing
// is ever passed on twice. Handshakes go around as well: a link may break for longer than a session lasts. With five voters
// every member of a connected majority can lead this way: in any connected graph on three or more of five nodes, each of
// them reaches a majority within two hops.
extension NodeBrain {
    /// Sends what was sent directly also around the direct link. The very frame: sealed apart, the copies would be two to
    /// their target, which might refuse one of them and append the other.
    mutating func sendAround(_ frame: [UInt8], to place: Int, now: Instant, into effects: inout [NodeEffect]) {
        let relays = links.relays(to: place, timeout: timing.electionTimeout, at: now)
        guard !relays.isEmpty else { return }
        let wrapped = wrap(frame, to: place, now: now)
        for relay in relays { send(wrapped, as: .relay, to: relay, now: now, into: &effects) }
        counters.relayedFrames += 1
    }

    /// Sends what no datagram holds by streams, through one relay if there is one, and else directly: two copies on
    /// streams, which seal by themselves, would be two to their target.
    mutating func sendBulkAround(
        _ payload: [UInt8], kind: FrameKind, to place: Int, at endpoint: Endpoint, now: Instant,
        into effects: inout [NodeEffect]
    ) {
        let target = roster.entries[place].node
        guard let relay = links.relays(to: place, timeout: timing.electionTimeout, at: now).first,
            payload.count + sealer.overhead <= Session.passedOnByteCountMax, sealer.hasSession(with: target, at: now),
            let frame = sealer.seal(payload, kind: kind, to: target, now: now)
        else { return effects.append(.sendStream(payload, kind: kind, to: target, at: endpoint)) }
        send(wrap(frame, to: place, now: now), as: .relay, to: relay, now: now, into: &effects)
        counters.relayedFrames += 1
    }

    private func wrap(_ frame: [UInt8], to place: Int, now: Instant) -> Wrapped {
        Wrapped(
            id: roster.entries[place].node,
            isDeaf: links.isDeaf(to: place, after: timing.electionTimeout, at: now), inner: frame)
    }

    /// Sends what the channel itself has to say: directly, and around a link that is silent.
    /// - Parameters:
    ///   - calling: an address to try for one node, from who wanted to send there.
    ///   - relay: who just brought what this answers; the answer goes back through it.
    mutating func sendOutbox(
        calling: (node: NodeID, endpoint: Endpoint)? = nil, through relay: Int? = nil, now: Instant,
        into effects: inout [NodeEffect]
    ) {
        // Sealing for a relay may begin a handshake with it; each begins at most one, so this ends.
        while sealer.hasOutbox {
            for frame in sealer.takeOutbox() {
                let hint = calling?.node == frame.node ? calling?.endpoint : nil
                if let endpoint = frame.endpoint ?? hint ?? endpoint(of: frame.node) {
                    counters.sentDatagrams += 1
                    effects.append(.sendDatagram(frame.bytes, to: endpoint))
                }
                if let place = roster.place(of: frame.node), frame.node != me {
                    passAround(frame.bytes, to: place, through: relay, now: now, into: &effects)
                }
            }
        }
    }

    private mutating func passAround(
        _ frame: [UInt8], to place: Int, through relay: Int?, now: Instant, into effects: inout [NodeEffect]
    ) {
        let timeout = timing.electionTimeout
        let isSilent = links.isSilent(place, after: timeout, at: now)
        let relays = relay.map { [$0] } ?? (isSilent ? links.relays(to: place, timeout: timeout, at: now) : [])
        let wrapped = wrap(frame, to: place, now: now)
        for relay in relays where relay != place { send(wrapped, as: .relay, to: relay, now: now, into: &effects) }
    }

    /// Whether what is sent there goes around the direct link.
    func isSilent(_ node: NodeID, at now: Instant) -> Bool {
        roster.place(of: node).map { links.isSilent($0, after: timing.electionTimeout, at: now) } ?? false
    }

    /// `peer` asks for a frame to be passed on. It goes to its target directly or not at all.
    mutating func forward(_ payload: [UInt8], from place: Int, now: Instant, into effects: inout [NodeEffect]) {
        guard var wrapped = Wrapped(payload) else {
            counters.malformedPayloads += 1
            return
        }
        guard let target = roster.place(of: wrapped.id), target != place,
            wrapped.id != me, links.mayForward(payload.count, for: place, at: now)
        else { return }
        counters.forwardedFrames += 1
        wrapped.id = roster.entries[place].node
        send(wrapped, as: .relayed, to: target, now: now, into: &effects)
    }

    /// Opens what `relay` brought; nil if it is not from whom it is said to be, or nothing that may travel so.
    mutating func openRelayed(
        _ payload: [UInt8], through relay: Int, now: Instant, into effects: inout [NodeEffect]
    ) -> OpenedFrame? {
        guard let wrapped = Wrapped(payload), let origin = roster.place(of: wrapped.id), origin != relay else {
            counters.malformedPayloads += 1
            return nil
        }
        do throws(FrameRejection) {
            let opened = try sealer.open(wrapped.inner, from: nil, now: now)
            if sealer.hasOutbox { sendOutbox(through: relay, now: now, into: &effects) }
            if opened == nil { keepChangedKeys(now: now, into: &effects) }
            guard let frame = opened, frame.peer.node == wrapped.id, frame.kind == .raft || frame.kind == .node else {
                return nil
            }
            if wrapped.isDeaf { links.noteRelayed(from: origin, through: relay, at: now) }
            return frame
        } catch {
            // One copy of several that took different ways is the rule here: it counts as a repeat. That its origin hears
            // nothing directly is news all the same, on the relay's word: the most it can cause are more copies.
            if error == .replayed, wrapped.isDeaf { links.noteRelayed(from: origin, through: relay, at: now) }
            counters.reject(error)
            return nil
        }
    }

    private mutating func send(
        _ wrapped: Wrapped, as kind: FrameKind, to place: Int, now: Instant, into effects: inout [NodeEffect]
    ) {
        let node = roster.entries[place].node
        let payload = wrapped.encode()
        guard let endpoint = endpoint(of: node) else { return }
        if payload.count + sealer.overhead <= NodeTiming.datagramBytesMax {
            transmit(payload, kind: kind, to: node, at: endpoint, now: now, into: &effects)
        } else {
            effects.append(.sendStream(payload, kind: kind, to: node, at: endpoint))
        }
    }
}

/// What travels inside the outer frame: whom the inner frame is for, or on the second leg from; and the inner frame.
private struct Wrapped {
    var id: NodeID
    let isDeaf: Bool
    let inner: [UInt8]

    init(id: NodeID, isDeaf: Bool, inner: [UInt8]) {
        self.id = id
        self.isDeaf = isDeaf
        self.inner = inner
    }

    init?(_ payload: [UInt8]) {
        var reader = ByteReader(payload)
        guard let id = try? reader.readNodeID(), let isDeaf = try? reader.readBool() else { return nil }
        self.init(id: id, isDeaf: isDeaf, inner: reader.readRest())
    }

    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: NodeID.byteCount + 1 + inner.count)
        writer.write(id)
        writer.write(isDeaf)
        writer.writeRaw(inner)
        return writer.bytes
    }
}
