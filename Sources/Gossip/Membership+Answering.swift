import Primitives

// Failure detection, the answering side: what is said to a ping, and what an answer or any other payload proves.

extension Membership {
    mutating func hear(_ peer: NodeID, now: Instant) {
        // Whoever heard nobody for so long has judged nobody, and shall not judge by that time now.
        if config.parts.contains(.patience), now - heardAnyoneAt > isolationWindow { forgive(now: now) }
        heardAnyoneAt = now
        guard let index = table.index(of: peer) else { return }
        table.rows[index].heardAt = now
        // Hearing proves one direction only: now and then we ask all the same.
        if now - (table.rows[index].ackedAt ?? startedAt) < silenceAccepted * 10 {
            table.rows[index].nextProbeAt = now + accepted(silenceAccepted)
        }
    }

    mutating func handlePing(
        _ sequence: UInt32, news: [News], from source: Source, into effects: inout [GossipEffect]
    ) {
        let isContradicted = merge(news, from: source, into: &effects)
        let isIntroduced = news.contains { if case .rumor(let rumor) = $0 { rumor.id == source.peer } else { false } }
        var told = companions(for: source.peer, withOwn: isContradicted || isIntroduced)
        // Nobody moves fast: now and then an answer says where we stand, and the others leave room.
        if told.isEmpty, random.chance(1, in: isSmall ? 16 : 4) { told.append(.coordinate(ownCoordinate)) }
        told += rides(to: source.peer, beside: told)
        let ack = Message.ack(sequence: sequence, checksum: checksum, news: told)
        send(ack.encoded(), to: source, into: &effects)
    }

    mutating func handleAck(
        _ sequence: UInt32, checksum: UInt64, news: [News], from source: Source, into effects: inout [GossipEffect]
    ) {
        if let index = table.index(of: source.peer) { acknowledge(index, sequence: sequence, by: source) }
        for relay in relays where relay.sequence == sequence && relay.target == source.peer {
            let answer = Message.indirectAck(sequence: relay.requesterSequence)
            send(answer.encoded(), to: relay.requester, at: relay.requesterEndpoint, into: &effects)
        }
        relays.removeAll { $0.sequence == sequence && $0.target == source.peer }
        if merge(news, from: source, into: &effects) { introduce(to: source, into: &effects) }
        if checksum != self.checksum { offerDigest(to: source, into: &effects) }
    }

    /// A stream's answer measures no path: it may have waited for a connection.
    private mutating func acknowledge(_ index: Int, sequence: UInt32, by source: Source) {
        let now = source.now
        if let sentAt = table.rows[index].probe?.sentAt(sequence) {
            counters.acks += 1
            table.rows[index].ackedAt = now
            table.rows[index].usesStream = source.isStream
            health.improve()
            table.rows[index].endProbe()
            if !source.isStream { measure(now - sentAt, to: index) }
            table.rows[index].nextProbeAt = now + accepted(silenceAccepted)
        } else if let late = table.rows[index].lateProbe, late.sequence == sequence, !source.isStream {
            table.rows[index].usesStream = false
            table.rows[index].ackedAt = now
            measure(now - late.sentAt, to: index)
        }
    }

    private mutating func measure(_ sample: Duration, to index: Int) {
        table.rows[index].roundTrip.record(sample)
        table.rows[index].lateProbe = nil
        guard let place = table.rows[index].coordinate else { return }
        ownCoordinate.update(roundTrip: table.rows[index].roundTrip.median, to: place, random: &random)
    }

    /// The target answered one of our proxies.
    mutating func handleIndirectAck(_ sequence: UInt32, from source: Source, into effects: inout [GossipEffect]) {
        guard let index = probe(sequence, askedOf: source.peer) else { return }
        counters.acks += 1
        table.rows[index].endProbe()
        table.rows[index].nextProbeAt = source.now + accepted(silenceAccepted)
    }

    mutating func handleNack(_ sequence: UInt32, from source: Source) {
        guard let index = probe(sequence, askedOf: source.peer) else { return }
        table.rows[index].probe?.owing.removeAll { $0 == source.peer }
    }

    /// The member whose current probe has this number and asked that proxy.
    private func probe(_ sequence: UInt32, askedOf proxy: NodeID) -> Int? {
        table.indices.first {
            guard let probe = table.rows[$0].probe, probe.sequence == sequence else { return false }
            return probe.proxies.contains(proxy)
        }
    }
}
