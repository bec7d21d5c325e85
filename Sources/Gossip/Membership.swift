import Primitives

/// Who is in the mesh: SWIM (Das, Gupta, Motivala, DSN 2002) with Lifeguard (Dadgar, Phillips, Currey, arXiv 1707.00788)
/// as one value. Payloads and time in, payloads and changes out.
///
/// Intuition: everyone probes someone all the time; silence asked about through others becomes a suspicion, everybody is
/// told, and the suspect may contradict. News travels with and between the probes; whoever missed some is brought up to
/// date when an ack shows that two tables differ.
///
/// Deviations from the papers:
/// - A small mesh probes everyone, and any authentic payload postpones the next probe of its sender.
/// - Nobody is declared dead by a node that has heard no one else since its suspicion began: it is isolated, and says so.
/// - Nobody is declared dead who was heard since: its silence is not total, so the countdown starts again.
/// - Confirmations count only from distinct accusers, by their own word, unsuspected themselves.
/// - A node that hears others again after it heard no one starts its countdowns anew, as after a pause of its own.
/// - A large mesh probes, beside a random member, the next one on the circle of ids: each member has one prober whose
///   interval is known, so that no crash waits for chance.
/// - A ping that no datagram answers is repeated on a stream, and peers without datagrams keep to streams.
/// - An incarnation begins with the boot epoch, so that a restarted member outranks its own tombstone.
/// - The dead are called at a low rate for ever, so that a partition of any length heals by itself.
package struct Membership: Sendable {
    /// Our own id.
    package let id: NodeID
    let config: GossipConfig
    /// Signs our word and checks others'. Replaced when the mesh's roster changes.
    package var notary: Notary
    /// Tells this life from others of the same id.
    let bootNonce: UInt32
    let startedAt: Instant
    var random: SeededRandom
    var table: MemberTable
    /// The provisioned roster without us, ascending by id.
    var seeds: [Contact]
    /// Who is out for ever, ascending; see `expel`.
    var expelled: [NodeID] = []
    var health: LocalHealth
    var dissemination = Dissemination()
    /// When waiting news goes out next, and when the last round of it went.
    var gossipAt: Instant
    var lastGossipAt: Instant
    /// Pings under way for others, oldest first.
    var relays: [Relay] = []
    var lastSequence: UInt32 = 0
    /// The rest of this cycle through the members, in a large mesh (SWIM §4.3), last first.
    var probeOrder: [NodeID] = []
    var nextRoundAt: Instant
    var nextContactAt: Instant
    /// Whether anyone is to be called.
    var hasContacts = false
    /// The contact called last; the next in ascending order follows. The first is our own neighbour, so that the members
    /// of one side of a partition do not all call the same.
    var lastContact: NodeID
    /// The roster was called once.
    var hasCalled = false
    var nextDigestAt: Instant
    /// Where the next offer goes on, by id.
    var digestCursor = NodeID(high: 0, low: 0)
    /// The last authentic payload from anyone.
    var heardAnyoneAt: Instant
    /// The latest moment that an input told us.
    var clock: Instant
    /// Before the first tick, being late means starting up.
    var hasTicked = false
    /// Our own sections that are told in person; ascending.
    var unsigned: [UnsignedSection] = []
    /// Counts our publications.
    var lastVersion: UInt64 = 0
    /// When a peer that is owed something may be told at the earliest, and when one was told last.
    var tellAt = Instant.distantFuture
    var lastToldAt: Instant
    /// Of the whole table; nil after a change.
    var cachedChecksum: UInt64?
    /// When to call `tick` at the latest.
    package internal(set) var nextDeadline: Instant
    /// We said goodbye: nothing is answered any more.
    package internal(set) var hasLeft = false
    /// Another process with our key goes on taking our word back.
    package internal(set) var isFenced = false
    var rival: Rival?
    /// Where we stand, by the round trips that we measured.
    package internal(set) var ownCoordinate = Coordinate()
    package internal(set) var counters = GossipCounters()

    /// - Parameters:
    ///   - me: our id, name and the endpoint that others reach us at.
    ///   - bootEpoch: from our disk, larger at every start; 0 counts as 1.
    ///   - seeds: members to call until they are found; our own entry is ignored.
    package init(
        me: Contact, bootEpoch: UInt64, config: GossipConfig, seeds: [Contact], notary: Notary, random: SeededRandom,
        now: Instant
    ) {
        config.validate()
        precondition(bootEpoch <= Incarnation.bootEpochMax, "boot epoch \(bootEpoch) is too large")
        id = me.id
        self.config = config
        self.notary = notary
        self.random = random
        bootNonce = UInt32(truncatingIfNeeded: self.random.next())
        lastContact = me.id
        self.seeds = seeds.filter { $0.id != me.id }.sorted { $0.id < $1.id }
        startedAt = now
        table = MemberTable(countMax: config.membersMax)
        health = LocalHealth(scoreMax: config.localHealthMax)
        gossipAt = now
        lastGossipAt = now - config.gossipInterval
        lastToldAt = now - config.gossipInterval
        clock = now
        nextRoundAt = now
        nextContactAt = now
        nextDigestAt = now
        heardAnyoneAt = now
        nextDeadline = now
        let incarnation = Incarnation(bootEpoch: max(1, bootEpoch), nonce: bootNonce, counter: 0)
        let own = Member(id: me.id, name: me.name, endpoint: me.endpoint, incarnation: incarnation, state: .alive)
        _ = table.insert(own, signature: notary.sign(own), now: now)
        reviewContacts()
    }

    // MARK: - Inputs

    /// An authentic payload arrived. Malformed ones are counted and change nothing.
    /// - Parameters:
    ///   - peer: who the secure channel says sent it.
    ///   - endpoint: where it came from; the answer goes there. Nil if it came on a stream, as then the answer does.
    package mutating func handle(
        _ payload: [UInt8], from peer: NodeID, at endpoint: Endpoint?, now: Instant, into effects: inout [GossipEffect]
    ) {
        guard takesPart, peer != id, !isExpelled(peer) else { return }
        noticePause(now: now)
        counters.payloadsReceived += 1
        let message: Message
        do {
            message = try Message.decode(payload)
        } catch {
            counters.malformedPayloads += 1
            return
        }
        hear(peer, now: now)
        guard let answerTo = endpoint ?? self.endpoint(of: peer) ?? seedEndpoint(of: peer) else { return }
        let source = Source(peer: peer, endpoint: answerTo, isStream: endpoint == nil, now: now)
        switch message {
        case .ping(let sequence, let news):
            handlePing(sequence, news: news, from: source, into: &effects)
        case .ack(let sequence, let checksum, let news):
            handleAck(sequence, checksum: checksum, news: news, from: source, into: &effects)
        case .pingRequest(let sequence, let target):
            handlePingRequest(sequence, target: target, from: source, into: &effects)
        case .indirectAck(let sequence): handleIndirectAck(sequence, from: source, into: &effects)
        case .nack(let sequence): handleNack(sequence, from: source)
        case .gossip(let news):
            if merge(news, from: source, into: &effects) { introduce(to: source, into: &effects) }
        case .digest(let digest): handle(digest, from: source, into: &effects)
        }
        settle(now: now, into: &effects)
    }

    /// An authentic frame of another protocol came from this member: as good a sign of life as any of ours.
    package mutating func noteHeard(_ peer: NodeID, now: Instant) {
        guard takesPart, peer != id else { return }
        hear(peer, now: now)
    }

    /// A connection to this member ended or was refused: it may be gone, and is asked, the others about it at the same
    /// time. The answer decides as it does for any probe; nothing else changes.
    package mutating func noteLostConnection(to peer: NodeID, now: Instant, into effects: inout [GossipEffect]) {
        guard !hasLeft, let index = table.index(of: peer), index != me, table.rows[index].member.state.isLive
        else { return }
        if table.rows[index].probe == nil {
            startProbe(of: index, isUrgent: true, now: now, into: &effects)
        } else {
            hurryProbe(of: index, now: now, into: &effects)
        }
        settle(now: now, into: &effects)
    }

    /// Time passed. Call no later than `nextDeadline`; earlier calls do no harm.
    package mutating func tick(now: Instant, into effects: inout [GossipEffect]) {
        guard takesPart else { return }
        noticePause(now: now)
        hasTicked = true
        tickProbes(now: now, into: &effects)
        tickRelays(now: now, into: &effects)
        tickSuspicions(now: now, into: &effects)
        tickContacts(now: now, into: &effects)
        settle(now: now, into: &effects)
    }

    /// Our own address changed: announces it under a new incarnation.
    package mutating func move(to endpoint: Endpoint, now: Instant, into effects: inout [GossipEffect]) {
        guard takesPart, endpoint != table.rows[me].member.endpoint else { return }
        table.rows[me].member.endpoint = endpoint
        renew(to: incarnation.next, now: now, into: &effects)
        settle(now: now, into: &effects)
    }

    /// Says goodbye to everyone reachable at once; afterwards nothing is answered or sent.
    package mutating func leave(now: Instant, into effects: inout [GossipEffect]) {
        guard takesPart else { return }
        table.setState(.left, of: me)
        table.rows[me].signature = notary.sign(table.rows[me].member)
        cachedChecksum = nil
        let goodbye = Message.gossip(news: [.rumor(rumor(about: me, withProfile: true))]).encoded()
        for index in table.indices where index != me && table.rows[index].member.state.isLive {
            send(goodbye, to: index, into: &effects)
        }
        hasLeft = true
        nextDeadline = .distantFuture
        effects.append(.memberChanged(table.rows[me].member))
    }

    /// The runtime noticed that we were stopped: whoever was silent meanwhile gets its time again.
    package mutating func notePause(now: Instant) {
        guard takesPart else { return }
        counters.pauses += 1
        forgive(now: now)
        heardAnyoneAt = max(heardAnyoneAt, now - config.probeTimeoutInitial)
        updateDeadline()
    }

    // MARK: - Around every input

    /// Ends every input: news that is due goes out, and the next wake-up is known.
    private mutating func settle(now: Instant, into effects: inout [GossipEffect]) {
        guard takesPart else { return }
        tickTelling(now: now, into: &effects)
        tickGossip(now: now, into: &effects)
        updateDeadline()
    }

    private mutating func noticePause(now: Instant) {
        clock = max(clock, now)
        guard hasTicked, config.parts.contains(.patience) else { return }
        if nextDeadline < now - config.pauseMin { notePause(now: now) }
    }

    mutating func updateDeadline() {
        var deadline = min(probeDeadline(), tellingDeadline)
        for relay in relays { deadline = min(deadline, relay.deadline) }
        if hasContacts { deadline = min(deadline, nextContactAt) }
        if !dissemination.isEmpty { deadline = min(deadline, gossipAt) }
        nextDeadline = deadline
    }
}
