import Primitives

// Pinging in another's place: the proxies of SWIM §4.1, with Lifeguard's answer that there was none.

extension Membership {
    mutating func handlePingRequest(
        _ sequence: UInt32, target: NodeID, from source: Source, into effects: inout [GossipEffect]
    ) {
        guard let index = table.index(of: target), index != me, relays.count < config.relaysMax else {
            if table.index(of: target) != nil { counters.overflows += 1 }
            send(Message.nack(sequence: sequence).encoded(), to: source, into: &effects)
            return
        }
        let relaySequence: UInt32
        if isSmall, table.rows[index].member.state.isLive, table.rows[index].probe == nil,
            source.now - (table.rows[index].ackedAt ?? startedAt) >= config.probeTimeoutFloor
        {
            // In a small mesh the question is also ours: everyone comes to its own verdict at the same time. But not if it
            // was just answered, or the questions of all would raise each other for ever.
            startProbe(of: index, isUrgent: true, now: source.now, into: &effects)
            relaySequence = lastProbeSequence(of: index)
        } else {
            relaySequence = nextSequence()
            sendPing(relaySequence, to: index, onStream: table.rows[index].usesStream, into: &effects)
        }
        relays.append(
            Relay(
                requester: source.peer, requesterEndpoint: source.endpoint, requesterSequence: sequence,
                sequence: relaySequence, target: target, deadline: source.now + timeout(of: index)))
    }

    private func lastProbeSequence(of index: Int) -> UInt32 {
        guard let probe = table.rows[index].probe else { preconditionFailure("the probe was just started") }
        return probe.sequence
    }

    mutating func tickRelays(now: Instant, into effects: inout [GossipEffect]) {
        guard relays.contains(where: { $0.deadline <= now }) else { return }
        for relay in relays where relay.deadline <= now {
            let answer = Message.nack(sequence: relay.requesterSequence)
            send(answer.encoded(), to: relay.requester, at: relay.requesterEndpoint, into: &effects)
        }
        relays.removeAll { $0.deadline <= now }
    }
}
