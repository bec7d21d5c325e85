import Gossip
import Primitives

/// A deterministic network of membership cores: virtual time, delay, loss, one-way cuts, pauses, crashes and restarts from
/// one seed. Every step of every node is followed by `checkInvariants`.
struct TestMesh {
    /// Bytes that sealing and the UDP header of our own frames would add to a payload, for traffic figures.
    static let sealingBytes = 60

    struct Node {
        var core: Membership
        var isRunning = true
        var isPaused = false
        /// Arrived during a pause; a socket buffer of limited size.
        var inbox: [Datagram] = []
        var bytesSent = 0
        var payloadsSent = 0
    }

    struct Datagram {
        let payload: [UInt8]
        let source: NodeID
        /// Nil on a stream.
        let sourceEndpoint: Endpoint?
        let target: NodeID
        let targetEndpoint: Endpoint
    }

    /// A visible event at one node.
    struct Event: Hashable {
        let at: Instant
        let observer: Int
        let effect: GossipEffect
    }

    private(set) var now = Instant.zero
    var nodes: [Node] = []
    var events: [Event] = []
    private var inFlight = DeadlineQueue<Datagram>()
    private var random: SeededRandom
    private let config: GossipConfig
    var endpoints: [Endpoint]
    /// Whose key a node has: its own number's, unless it is a copy.
    var identities: [Int]
    var epochs: [UInt64]
    /// Loss of every datagram, in percent.
    var lossPercent = 0
    var delay: ClosedRange<Duration> = .microseconds(200)...Duration.microseconds(900)
    /// Cut directions, by node numbers: from * 1000 + to.
    var cuts: Set<Int> = []
    /// Whose datagrams are lost, both ways; streams pass.
    var blocked: Set<Int> = []
    var checksInvariants = true
    var recordsPayloads = false
    private(set) var payloads: [[UInt8]] = []
    /// Folds every effect of every node: equal for equal seeds.
    private(set) var traceHash: UInt64 = 0xCBF2_9CE4_8422_2325

    static func id(_ number: Int) -> NodeID { NodeID(high: UInt64(number + 1) << 32, low: UInt64(number + 1)) }
    static func endpoint(_ number: Int) -> Endpoint {
        Endpoint(ipv4: 10, 0, UInt8(number / 250), UInt8(number % 250 + 1), port: 7946)
    }

    init(count: Int, seed: UInt64, config: GossipConfig = GossipConfig(), seedCount: Int? = nil) {
        random = SeededRandom(seed: seed)
        self.config = config
        endpoints = (0..<count).map(Self.endpoint)
        identities = Array(0..<count)
        epochs = Array(repeating: 1, count: count)
        let roster = (0..<(seedCount ?? count)).map {
            Contact(id: Self.id($0), name: "n\($0 + 1)", endpoint: Self.endpoint($0))
        }
        for number in 0..<count { nodes.append(Node(core: makeCore(number, roster: roster))) }
    }

    mutating func makeCore(_ number: Int, roster: [Contact]) -> Membership {
        Membership(
            me: Contact(id: Self.id(identities[number]), name: "n\(number + 1)", endpoint: endpoints[number]),
            bootEpoch: epochs[number], config: config, seeds: roster,
            notary: Self.notary(of: Self.id(identities[number])),
            random: random.fork(), now: now)
    }

    /// What stands for signatures here: made of the statement and its signer, so that it fits nothing else.
    static func notary(of signer: NodeID) -> Notary {
        Notary(sign: { signature(of: $0, by: signer) }, check: { $0 == signature(of: $1, by: $2) })
    }

    static func signature(of statement: [UInt8], by signer: NodeID) -> [UInt8] {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in signer.bytes + statement { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return (0..<Notary.signatureBytes).map { UInt8(truncatingIfNeeded: hash >> UInt64($0 % 8 * 8)) }
    }

    // MARK: - Time

    mutating func run(_ span: Duration) { run(until: now + span) }

    mutating func run(until end: Instant) {
        while step(until: end) {}
        now = end
    }

    /// Runs until the condition holds, looked at after every step. Returns the time it took, or nil.
    mutating func run(atMost span: Duration, until isDone: (TestMesh) -> Bool) -> Duration? {
        let start = now
        let end = now + span
        if isDone(self) { return .zero }
        while step(until: end) {
            if isDone(self) { return now - start }
        }
        now = end
        return nil
    }

    /// One delivery or one tick, whichever is first. Returns false if nothing happens before `end`.
    private mutating func step(until end: Instant) -> Bool {
        var next = inFlight.nextDeadline ?? .distantFuture
        var ticking: Int?
        for number in nodes.indices where nodes[number].isRunning && !nodes[number].isPaused {
            let deadline = max(now, nodes[number].core.nextDeadline)
            if deadline < next {
                next = deadline
                ticking = number
            }
        }
        guard next <= end else { return false }
        now = max(now, next)
        if let ticking {
            input(ticking) { core, now, effects in core.tick(now: now, into: &effects) }
        } else if let (_, datagram) = inFlight.popDue(at: now) {
            deliver(datagram)
        }
        return true
    }

    mutating func deliver(_ datagram: Datagram) {
        guard let number = nodes.indices.first(where: { endpoints[$0] == datagram.targetEndpoint }),
            nodes[number].core.id == datagram.target, nodes[number].isRunning
        else { return }
        if nodes[number].isPaused {
            if nodes[number].inbox.count < 200 { nodes[number].inbox.append(datagram) }
            return
        }
        input(number) { core, now, effects in
            core.handle(datagram.payload, from: datagram.source, at: datagram.sourceEndpoint, now: now, into: &effects)
        }
    }

    /// Any input to a node's core; its effects are carried out.
    mutating func input(_ number: Int, _ body: (inout Membership, Instant, inout [GossipEffect]) -> Void) {
        var effects: [GossipEffect] = []
        body(&nodes[number].core, now, &effects)
        if checksInvariants { nodes[number].core.checkInvariants() }
        for effect in effects {
            fold(effect, of: number)
            switch effect {
            case .send(let payload, let peer, let endpoint):
                send(payload, from: number, to: peer, at: endpoint, isStream: false)
            case .sendStream(let payload, let peer, let endpoint):
                send(payload, from: number, to: peer, at: endpoint, isStream: true)
            case .memberChanged, .sectionChanged, .fenced:
                events.append(Event(at: now, observer: number, effect: effect))
            }
        }
    }

    private mutating func send(
        _ payload: [UInt8], from number: Int, to peer: NodeID, at endpoint: Endpoint, isStream: Bool
    ) {
        precondition(payload.count <= config.payloadBytesMax, "payload of \(payload.count) bytes")
        nodes[number].bytesSent += payload.count + Self.sealingBytes
        nodes[number].payloadsSent += 1
        if recordsPayloads { payloads.append(payload) }
        let wait = random.duration(in: delay)
        guard let target = endpoints.firstIndex(of: endpoint) else { return }
        let isLost = random.chance(lossPercent, in: 100) || blocked.contains(number) || blocked.contains(target)
        if cuts.contains(number * 1000 + target) || isLost && !isStream { return }
        let datagram = Datagram(
            payload: payload, source: Self.id(identities[number]), sourceEndpoint: isStream ? nil : endpoints[number],
            target: peer,
            targetEndpoint: endpoint)
        inFlight.add(datagram, at: now + wait)
    }

    private mutating func fold(_ effect: GossipEffect, of number: Int) {
        func mix(_ value: UInt64) { traceHash = (traceHash ^ value) &* 0x100_0000_01B3 }
        mix(UInt64(bitPattern: now.nanoseconds))
        mix(UInt64(number))
        switch effect {
        case .send(let payload, let peer, let endpoint), .sendStream(let payload, let peer, let endpoint):
            mix(peer.low ^ endpoint.low)
            for byte in payload { mix(UInt64(byte)) }
        case .memberChanged(let member):
            mix(member.id.low ^ member.incarnation.bootEpoch << 40 ^ UInt64(member.incarnation.counter) << 8)
            mix(UInt64(member.state.rawValue))
        case .sectionChanged(let section, let owner): mix(owner.low ^ UInt64(section.value) << 32)
        case .fenced: mix(1)
        }
    }
}
