import Gossip
import Primitives

/// Membership alone on virtual time: hundreds of `Membership` values, a network between them, and nothing else. For
/// experiments that a whole world of brains is too slow for.
///
/// One queue holds deliveries, wake-ups and planned faults; one seed decides delays and losses. Members can crash, stand
/// still (SIGSTOP: timers too), or hold messages (Lifeguard §V-B: timers run, but nothing is sent or taken in). Links can
/// lose a part or all of what they carry in one direction, and groups can be parted.
package struct GossipWorld: Sendable {
    /// Bytes that a sealed frame (30) and the headers of UDP and IPv4 (28) add to a payload, for traffic figures.
    package static let sealingBytes = 58
    /// Datagrams that a member's socket holds while it does not read; more are lost.
    static let socketDatagramsMax = 2_000

    package enum Condition: Sendable {
        case running
        case crashed
        /// Timers and messages wait.
        case paused
        /// Timers run, messages wait: Lifeguard's anomaly.
        case holding
    }

    package struct Node: Sendable {
        package internal(set) var core: Membership
        package internal(set) var condition = Condition.running
        /// What came while it did not read, and what it would have sent while it held.
        var inbox: [Parcel] = []
        var outbox: [Parcel] = []
        var wakeAt = Instant.distantFuture
        /// Sealing included.
        package internal(set) var bytesSent = 0
        package internal(set) var payloadsSent = 0
        /// Counts its starts; wake-ups of an earlier life are void.
        var life = 0
    }

    /// A payload on its way.
    struct Parcel: Sendable {
        let payload: [UInt8]
        let from: Int
        let to: Int
        let recipient: NodeID
        let isStream: Bool
    }

    /// What a member came to believe, and when.
    package struct Belief: Hashable, Sendable {
        package let at: Instant
        package let observer: Int
        package let subject: Int
        package let state: MemberState
    }

    enum Event: Sendable {
        /// A place in `inFlight`: the queue moves its events often, and cheaply if they hold no memory.
        case deliver(Int)
        case wake(Int, life: Int)
        case change(Int, Condition)
    }

    struct Link: Hashable, Sendable {
        let from: Int
        let to: Int
    }

    package internal(set) var now = Instant.zero
    package internal(set) var nodes: [Node] = []
    /// Beliefs other than `alive`, and returns to it, as they came about.
    package internal(set) var beliefs: [Belief] = []
    /// Content of sections as it arrived: who learnt of whose, and when.
    package internal(set) var arrivals: [Belief] = []
    package var recordsArrivals = false
    package var recordsBeliefs = true
    package var checksInvariants = false
    /// Loss of every datagram, in percent.
    package var lossPercent = 0
    /// One way, uniform.
    package var delay: ClosedRange<Duration> = .microseconds(200)...Duration.microseconds(900)
    /// One-way delays by pair, row by row; replaces `delay`.
    package var delays: [Duration] = []
    /// Loss of single directions, in percent; 100 cuts.
    var linkLoss: [Link: Int] = [:]
    /// Members of different groups do not reach each other.
    var groups: [Int] = []
    /// Members whose datagrams are all lost, both ways; streams pass.
    var withoutDatagrams: Set<Int> = []
    /// Folds what every member came to believe: equal for equal seeds.
    package internal(set) var traceHash: UInt64 = 0xCBF2_9CE4_8422_2325
    package internal(set) var steps = 0
    var random: SeededRandom
    let config: GossipConfig
    private let seedCount: Int
    var endpoints: [Endpoint]
    var places: [Endpoint: Int] = [:]
    private var epochs: [UInt64]
    var queue = DeadlineQueue<Event>()
    var inFlight: [Parcel?] = []
    var freePlaces: [Int] = []

    /// - Parameter seedCount: how many members, the first ones, everybody's roster names.
    package init(count: Int, seed: UInt64, config: GossipConfig = GossipConfig(), seedCount: Int = 3) {
        random = SeededRandom(seed: seed)
        self.config = config
        self.seedCount = min(seedCount, count)
        endpoints = (0..<count).map(Self.endpoint)
        for number in 0..<count { places[endpoints[number]] = number }
        epochs = Array(repeating: 1, count: count)
        for number in 0..<count { nodes.append(Node(core: makeCore(number))) }
        for number in 0..<count { schedule(number) }
    }

    /// Spread over the circle of ids as hashes would be.
    package static func id(_ number: Int) -> NodeID {
        NodeID(high: UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15, low: UInt64(number))
    }

    package static func endpoint(_ number: Int) -> Endpoint {
        Endpoint(ipv4: 10, 0, UInt8(number / 250), UInt8(number % 250 + 1), port: 7946)
    }

    private mutating func makeCore(_ number: Int) -> Membership {
        let roster = (0..<seedCount).map { Contact(id: Self.id($0), name: "n\($0 + 1)", endpoint: Self.endpoint($0)) }
        return Membership(
            me: Contact(id: Self.id(number), name: "n\(number + 1)", endpoint: endpoints[number]),
            bootEpoch: epochs[number], config: config, seeds: roster, notary: Self.notary(of: Self.id(number)),
            random: random.fork(), now: now)
    }

    /// What stands for signatures here: made of the statement and its signer, so that it fits nothing else.
    private static func notary(of signer: NodeID) -> Notary {
        Notary(sign: { signature(of: $0, by: signer) }, check: { $0 == signature(of: $1, by: $2) })
    }

    private static func signature(of statement: [UInt8], by signer: NodeID) -> [UInt8] {
        var hash = signer.high ^ signer.low
        for byte in statement { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Array(repeating: UInt8(truncatingIfNeeded: hash >> 56), count: Notary.signatureBytes)
    }

    // MARK: - Time

    package mutating func run(_ span: Duration) {
        let end = now + span
        while step(until: end) {}
        now = end
    }

    /// Runs until the condition holds, looked at every `interval`. Returns the time it took, or nil.
    package mutating func run(
        atMost span: Duration, every interval: Duration, until isDone: (GossipWorld) -> Bool
    ) -> Duration? {
        let start = now
        while now < start + span {
            if isDone(self) { return now - start }
            run(interval)
        }
        return isDone(self) ? span : nil
    }

    private mutating func step(until end: Instant) -> Bool {
        guard let next = queue.nextDeadline, next <= end, let (deadline, event) = queue.popDue(at: end) else {
            return false
        }
        now = max(now, deadline)
        steps += 1
        switch event {
        case .deliver(let place): if let parcel = take(place) { deliver(parcel) }
        case .wake(let number, let life):
            guard nodes[number].life == life, nodes[number].wakeAt == deadline else { return true }
            nodes[number].wakeAt = .distantFuture
            guard nodes[number].condition == .running || nodes[number].condition == .holding else { return true }
            input(number) { core, now, effects in core.tick(now: now, into: &effects) }
        case .change(let number, let condition): change(number, to: condition)
        }
        return true
    }

    mutating func schedule(_ number: Int) {
        let due = max(now, nodes[number].core.nextDeadline)
        guard due < nodes[number].wakeAt else { return }
        nodes[number].wakeAt = due
        queue.add(.wake(number, life: nodes[number].life), at: due)
    }

    // MARK: - Lives

    /// Plans a change of condition.
    package mutating func plan(_ condition: Condition, of number: Int, at instant: Instant) {
        queue.add(.change(number, condition), at: max(now, instant))
    }

    package mutating func restart(_ number: Int, epoch: UInt64? = nil, endpoint: Endpoint? = nil) {
        epochs[number] = epoch ?? epochs[number] + 1
        if let endpoint {
            places[endpoints[number]] = nil
            endpoints[number] = endpoint
            places[endpoint] = number
        }
        var node = Node(core: makeCore(number))
        node.life = nodes[number].life + 1
        node.bytesSent = nodes[number].bytesSent
        node.payloadsSent = nodes[number].payloadsSent
        nodes[number] = node
        schedule(number)
    }
}
