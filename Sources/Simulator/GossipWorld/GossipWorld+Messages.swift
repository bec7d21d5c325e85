import Gossip
import Primitives

// Payloads on their way between the members of a gossip world, and what becomes of a core's effects.
extension GossipWorld {
    mutating func deliver(_ parcel: Parcel) {
        let number = parcel.to
        switch nodes[number].condition {
        case .crashed: return
        case .paused, .holding:
            if nodes[number].inbox.count < Self.socketDatagramsMax { nodes[number].inbox.append(parcel) }
        case .running:
            guard nodes[number].core.id == parcel.recipient else { return }
            let source = parcel.isStream ? nil : endpoints[parcel.from]
            input(number) { core, now, effects in
                core.handle(parcel.payload, from: Self.id(parcel.from), at: source, now: now, into: &effects)
            }
        }
    }

    /// Any input to a member's core; its effects are carried out.
    package mutating func input(
        _ number: Int, _ body: (inout Membership, Instant, inout [GossipEffect]) -> Void
    ) {
        var effects: [GossipEffect] = []
        body(&nodes[number].core, now, &effects)
        if checksInvariants { nodes[number].core.checkInvariants() }
        for effect in effects { run(effect, of: number) }
        schedule(number)
    }

    private mutating func run(_ effect: GossipEffect, of number: Int) {
        switch effect {
        case .send(let payload, let peer, let endpoint):
            send(payload, from: number, to: peer, at: endpoint, isStream: false)
        case .sendStream(let payload, let peer, let endpoint):
            send(payload, from: number, to: peer, at: endpoint, isStream: true)
        case .memberChanged(let member):
            let subject = Int(member.id.low)
            fold(number, subject, Int(member.state.rawValue))
            if recordsBeliefs {
                beliefs.append(Belief(at: now, observer: number, subject: subject, state: member.state))
            }
        case .sectionChanged(_, let owner):
            if recordsArrivals {
                arrivals.append(Belief(at: now, observer: number, subject: Int(owner.low), state: .alive))
            }
        case .fenced: fold(number, number, 99)
        }
    }

    private mutating func fold(_ words: Int...) {
        for word in [Int(now.nanoseconds)] + words {
            traceHash = (traceHash ^ UInt64(bitPattern: Int64(word))) &* 0x100_0000_01B3
        }
    }

    private mutating func send(
        _ payload: [UInt8], from number: Int, to peer: NodeID, at endpoint: Endpoint, isStream: Bool
    ) {
        nodes[number].bytesSent += payload.count + Self.sealingBytes
        nodes[number].payloadsSent += 1
        guard let target = places[endpoint] else { return }
        let parcel = Parcel(payload: payload, from: number, to: target, recipient: peer, isStream: isStream)
        if nodes[number].condition == .holding {
            if nodes[number].outbox.count < Self.socketDatagramsMax { nodes[number].outbox.append(parcel) }
        } else {
            post(parcel)
        }
    }

    mutating func post(_ parcel: Parcel) {
        let wait =
            delays.isEmpty ? random.duration(in: delay) : delays[parcel.from * nodes.count + parcel.to]
        guard passes(parcel) else { return }
        queue.add(.deliver(put(parcel)), at: now + wait)
    }

    private mutating func put(_ parcel: Parcel) -> Int {
        if let place = freePlaces.popLast() {
            inFlight[place] = parcel
            return place
        }
        inFlight.append(parcel)
        return inFlight.count - 1
    }

    mutating func take(_ place: Int) -> Parcel? {
        freePlaces.append(place)
        defer { inFlight[place] = nil }
        return inFlight[place]
    }

    private mutating func passes(_ parcel: Parcel) -> Bool {
        if !groups.isEmpty, groups[parcel.from] != groups[parcel.to] { return false }
        let loss = linkLoss.isEmpty ? 0 : linkLoss[Link(from: parcel.from, to: parcel.to)] ?? 0
        if parcel.isStream { return loss < 100 }
        if withoutDatagrams.contains(parcel.from) || withoutDatagrams.contains(parcel.to) { return false }
        if loss > 0, random.chance(loss, in: 100) { return false }
        return lossPercent == 0 || !random.chance(lossPercent, in: 100)
    }
}
