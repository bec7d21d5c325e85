import Primitives

// The contact book: everyone who should be there and is not. One of them is called at each interval, for ever. A call is
// a ping with our own record and, to the dead, what we hold about them; the answer refutes it, and tables that grew apart
// find each other by their checksums.

extension Membership {
    /// Call after a member appeared or changed state.
    mutating func reviewContacts() {
        hasContacts = table.deadCount > 0 || seeds.contains { table.index(of: $0.id) == nil }
    }

    mutating func tickContacts(now: Instant, into effects: inout [GossipEffect]) {
        guard nextContactAt <= now, hasContacts else { return }
        nextContactAt = now + random.duration(in: config.contactInterval * 3 / 4...config.contactInterval * 5 / 4)
        if !hasCalled {
            // At the start everyone is called at once: a mesh forms within a round trip.
            hasCalled = true
            for seed in seeds where table.index(of: seed.id) == nil { call(seed.id, at: seed.endpoint, into: &effects) }
            return
        }
        guard let contact = nextContact() else { return }
        lastContact = contact.id
        call(contact.id, at: contact.endpoint, into: &effects)
    }

    /// The contact that follows the one called last, by id, around the circle. The roster's address is tried in turn
    /// with the last known one, since either may be the stale one.
    private mutating func nextContact() -> (id: NodeID, endpoint: Endpoint)? {
        var following: (id: NodeID, endpoint: Endpoint)?
        var lowest: (id: NodeID, endpoint: Endpoint)?
        func consider(_ id: NodeID, _ endpoint: Endpoint) {
            if lowest.map({ id < $0.id }) ?? true { lowest = (id, endpoint) }
            if id <= lastContact { return }
            if following.map({ id < $0.id }) ?? true { following = (id, endpoint) }
        }
        // By index: a row is large, and most are not looked for.
        for index in table.indices where table.rows[index].member.state == .dead {
            consider(table.rows[index].member.id, table.rows[index].member.endpoint)
        }
        for seed in seeds where table.index(of: seed.id) == nil { consider(seed.id, seed.endpoint) }
        guard var contact = following ?? lowest else { return nil }
        if let seed = seeds.first(where: { $0.id == contact.id }), seed.endpoint != contact.endpoint {
            if random.chance(1, in: 2) { contact.endpoint = seed.endpoint }
        }
        return contact
    }

    private mutating func call(_ contact: NodeID, at endpoint: Endpoint, into effects: inout [GossipEffect]) {
        let ping = Message.ping(sequence: nextSequence(), news: companions(for: contact, withOwn: true))
        send(ping.encoded(), to: contact, at: endpoint, into: &effects)
    }
}
