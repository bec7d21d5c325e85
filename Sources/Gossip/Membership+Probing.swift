import Primitives

// Failure detection, the asking side: whom to probe when, and what silence does (SWIM §3.1, §4.3).

extension Membership {
    // MARK: - Time

    mutating func tickProbes(now: Instant, into effects: inout [GossipEffect]) {
        for index in table.attendedIndices {
            guard let probe = table.rows[index].probe, probe.deadline <= now else { continue }
            if !probe.isIndirect, askOtherwise(about: index, now: now, into: &effects) { continue }
            failProbe(of: index, now: now, into: &effects)
        }
        let successor = isSmall ? nil : successor
        let watched = isSmall ? Array(table.indices) : (table.attendedIndices + [successor].compactMap(\.self)).sorted()
        for index in watched where isDue(index, successor: successor, now: now) {
            startProbe(of: index, now: now, into: &effects)
        }
        if !isSmall, nextRoundAt <= now {
            nextRoundAt = now + config.probeInterval
            if let index = nextInOrder() { startProbe(of: index, now: now, into: &effects) }
        }
    }

    /// The earliest moment that probes, suspicions or rounds want a tick. In a large mesh most members want none.
    mutating func probeDeadline() -> Instant {
        var earliest = Instant.distantFuture
        let watchesSuspects = isSmall || config.parts.contains(.lastChances)
        if isSmall {
            let me = me
            for index in table.indices where index != me && table.rows[index].member.state.isLive {
                earliest = min(earliest, table.rows[index].deadline(isWatched: true))
            }
        } else {
            earliest = nextRoundAt
            if let successor { earliest = min(earliest, table.rows[successor].deadline(isWatched: true)) }
        }
        table.visitAttended { row in
            earliest = min(earliest, row.deadline(isWatched: watchesSuspects && row.suspicion != nil))
        }
        return earliest
    }

    /// In a small mesh the interval grows with the members beyond five, so that the traffic of a node does not.
    var smallMeshProbeInterval: Duration {
        config.smallMeshProbeInterval.scaled(by: Int64(max(4, table.liveCount - 1)), over: 4)
    }

    /// The next interval of silence that is accepted from a peer: shaken, so that of two peers sometimes the one and
    /// sometimes the other asks, and both come to measure the path.
    mutating func accepted(_ interval: Duration) -> Duration {
        random.duration(in: interval.scaled(by: 3, over: 4)...interval.scaled(by: 5, over: 4))
    }

    /// Everyone in a small mesh has its own time; in a large one only suspects do, whose last chance it is, and the next
    /// live member on the circle.
    private func isDue(_ index: Int, successor: Int?, now: Instant) -> Bool {
        guard table.rows[index].nextProbeAt <= now, table.rows[index].probe == nil, table.rows[index].member.id != id
        else { return false }
        if isSmall { return table.rows[index].member.state.isLive }
        return isLastChance(of: index) || index == successor
    }

    private func isLastChance(of index: Int) -> Bool {
        table.rows[index].member.state == .suspect && config.parts.contains(.lastChances)
    }

    /// The live member that follows us on the circle of ids; nil alone, or where the part is switched off.
    private var successor: Int? {
        guard config.parts.contains(.neighbours) else { return nil }
        let me = me
        for step in 1..<max(1, table.rows.count) {
            let index = (me + step) % table.rows.count
            if table.rows[index].member.state.isLive { return index }
        }
        return nil
    }

    /// Round-robin over a shuffled order bounds the time until each member is probed (SWIM §4.3).
    private mutating func nextInOrder() -> Int? {
        for _ in 0..<2 {
            while let candidate = probeOrder.popLast() {
                guard let index = table.index(of: candidate), index != me else { continue }
                if table.rows[index].member.state.isLive, table.rows[index].probe == nil { return index }
            }
            probeOrder = table.rows.filter { $0.member.id != id && $0.member.state.isLive }.map(\.member.id)
            random.shuffle(&probeOrder)
        }
        return nil
    }

    // MARK: - One probe

    /// - Parameter isUrgent: someone else doubts the member: ask the others together with it.
    mutating func startProbe(of index: Int, isUrgent: Bool = false, now: Instant, into effects: inout [GossipEffect]) {
        precondition(table.rows[index].probe == nil, "member \(table.rows[index].member.id) is being probed")
        let sequence = nextSequence()
        let direct = now + timeout(of: index)
        let probe = Probe(sequence: sequence, sentAt: now, directDeadline: direct, verdictDeadline: direct)
        table.begin(probe, of: index)
        counters.probes += 1
        sendPing(sequence, to: index, onStream: false, into: &effects)
        if table.rows[index].usesStream { sendPing(sequence, to: index, onStream: true, into: &effects) }
        if isUrgent { _ = askOtherwise(about: index, now: now, into: &effects) }
    }

    /// A probe under way has become urgent: the others are asked now, not once its own wait is over.
    mutating func hurryProbe(of index: Int, now: Instant, into effects: inout [GossipEffect]) {
        guard table.rows[index].probe?.isIndirect == false else { return }
        _ = askOtherwise(about: index, now: now, into: &effects)
    }

    /// Round trips to a member set the wait for it; our own ill health prolongs it (Lifeguard's LHA-Probe).
    func timeout(of index: Int) -> Duration {
        let measured = table.rows[index].roundTrip.timeout ?? config.probeTimeoutInitial
        return min(max(measured, config.probeTimeoutFloor), config.probeTimeoutMax) * health.multiplier
    }

    /// The second stage of a probe: through others, and on a stream. Returns false if there is no other way.
    private mutating func askOtherwise(about index: Int, now: Instant, into effects: inout [GossipEffect]) -> Bool {
        var candidates = table.indices.filter { $0 != index && $0 != me && table.rows[$0].member.state == .alive }
        let triesStream = config.parts.contains(.streams)
        guard triesStream || !candidates.isEmpty, var probe = table.rows[index].probe else { return false }
        if triesStream, !table.rows[index].usesStream {
            counters.streamProbes += 1
            sendPing(probe.sequence, to: index, onStream: true, into: &effects)
        }
        // One lost datagram makes no suspect: where a tenth is lost, a fifth of all pings goes unanswered.
        if config.parts.contains(.repeats), probe.sentAt < now {
            let sequence = nextSequence()
            probe.repeated = (sequence, now)
            sendPing(sequence, to: index, onStream: false, into: &effects)
        }
        random.shuffle(&candidates)
        var wait = timeout(of: index)
        for proxy in candidates.prefix(config.indirectProbes) {
            wait = max(wait, timeout(of: proxy))
            counters.indirectProbes += 1
            probe.proxies.append(table.rows[proxy].member.id)
            probe.owing.append(table.rows[proxy].member.id)
            let request = Message.pingRequest(sequence: probe.sequence, target: table.rows[index].member.id)
            send(request.encoded(), to: proxy, into: &effects)
        }
        probe.isIndirect = true
        // The proxy's nack takes one timeout and the way there and back.
        probe.verdictDeadline = now + wait * 3 / 2
        table.rows[index].probe = probe
        return true
    }

    private mutating func failProbe(of index: Int, now: Instant, into effects: inout [GossipEffect]) {
        guard let probe = table.rows[index].probe else { return }
        counters.probeFailures += 1
        // Proxies that did not even say no: more likely it is us that hears badly.
        if !probe.owing.isEmpty { health.worsen() }
        table.rows[index].endProbe()
        table.rows[index].nextProbeAt = now + waitBeforeAnotherProbe(of: index, now: now)
        if table.rows[index].member.state.isLive { accuse(index, now: now, into: &effects) }
    }

    /// A suspect is asked again: in a small mesh soon, then less and less often; in a large one so that all of us
    /// together ask about ten times a second.
    private mutating func waitBeforeAnotherProbe(of index: Int, now: Instant) -> Duration {
        guard isSmall else { return max(config.probeInterval, accepted(smallMeshProbeInterval) / 2) }
        let age = table.rows[index].suspicion.map { now - $0.startedAt } ?? .zero
        return min(max(age, config.probeTimeoutFloor), accepted(smallMeshProbeInterval))
    }

    mutating func sendPing(
        _ sequence: UInt32, to index: Int, onStream: Bool, into effects: inout [GossipEffect]
    ) {
        let peer = table.rows[index].member
        var news = companions(for: peer.id, withOwn: peer.state == .dead)
        news += rides(to: peer.id, beside: news)
        let ping = Message.ping(sequence: sequence, news: news)
        send(ping.encoded(), to: peer.id, at: peer.endpoint, onStream: onStream, into: &effects)
    }
}
