import Primitives

// Small steps that the other files share: who we are, how large the mesh is, and how payloads leave.

extension Membership {
    /// Who sent a payload, from where, when.
    struct Source {
        let peer: NodeID
        let endpoint: Endpoint
        let isStream: Bool
        let now: Instant
    }

    /// What was missed while we were deaf or stopped says nothing about others: they have all their time again.
    mutating func forgive(now: Instant) {
        health.worsen()
        for index in table.indices {
            table.rows[index].endProbe()
            if table.rows[index].suspicion != nil { restartSuspicion(of: index, now: now) }
            table.rows[index].nextProbeAt = now + random.duration(in: .zero...config.probeTimeoutFloor)
        }
        relays.removeAll()
    }

    /// Neither said goodbye nor was fenced.
    var takesPart: Bool { !hasLeft && !isFenced }

    /// Our row. It is inserted first and never evicted, since we are alive until we leave.
    var me: Int {
        guard let index = table.index(of: id) else { preconditionFailure("own row \(id) is missing") }
        return index
    }

    var isSmall: Bool { table.liveCount <= config.smallMeshMembersMax }

    var isolationWindow: Duration {
        (isSmall ? smallMeshProbeInterval : config.probeInterval) * 3 + config.probeTimeoutInitial
    }

    /// How long a watched member may be silent before it is probed.
    var silenceAccepted: Duration { isSmall ? smallMeshProbeInterval : config.probeInterval }

    func seedEndpoint(of peer: NodeID) -> Endpoint? { seeds.first { $0.id == peer }?.endpoint }

    mutating func nextSequence() -> UInt32 {
        lastSequence &+= 1
        return lastSequence
    }

    mutating func send(_ payload: [UInt8], to index: Int, into effects: inout [GossipEffect]) {
        let member = table.rows[index].member
        send(payload, to: member.id, at: member.endpoint, onStream: table.rows[index].usesStream, into: &effects)
    }

    /// Answers on the way that the question came.
    mutating func send(_ payload: [UInt8], to source: Source, into effects: inout [GossipEffect]) {
        send(payload, to: source.peer, at: source.endpoint, onStream: source.isStream, into: &effects)
    }

    mutating func send(
        _ payload: [UInt8], to peer: NodeID, at endpoint: Endpoint, onStream: Bool = false,
        into effects: inout [GossipEffect]
    ) {
        precondition(payload.count <= config.payloadBytesMax, "payload of \(payload.count) bytes is too large")
        counters.payloadsSent += 1
        counters.payloadBytesSent += payload.count
        effects.append(onStream ? .sendStream(payload, to: peer, at: endpoint) : .send(payload, to: peer, at: endpoint))
    }
}
