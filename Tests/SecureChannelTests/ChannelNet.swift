import Primitives
import SecureChannel

/// The channels of a few nodes and the datagrams between them, in a test's own hands.
struct ChannelNet {
    struct Letter {
        let from: Int
        let to: Int
        var bytes: [UInt8]
        var source: Endpoint
        var dueAt: Instant = .zero
    }

    static let ids = [ada, bob, eve]

    var nodes: [PeerSessions]
    var letters: [Letter] = []
    /// Everything that was sent, ever.
    private(set) var history: [Letter] = []
    private(set) var opened: [(by: Int, frame: OpenedFrame)] = []
    private(set) var rejections: [FrameRejection] = []
    var addresses = (1...3).map { Endpoint(ipv4: 10, 0, 0, UInt8($0), port: 7946) }
    private(set) var now = Instant.zero + .seconds(50)
    /// Of every datagram, one way.
    var latency: Duration = .zero
    private var lives = [1, 1, 1]
    private let seed: UInt64

    /// By whom, of whom.
    private var doubts: [(Int, Int)] = []
    private let edges: Set<Int>

    /// `edges` are the places of edge nodes; the others are core.
    init(seed: UInt64 = 1, edges: Set<Int> = []) {
        self.seed = seed
        self.edges = edges
        nodes = []
        for place in 0..<3 { nodes.append(makeNode(place)) }
    }

    private func makeNode(_ place: Int, cluster: ClusterKey = makeCluster()) -> PeerSessions {
        PeerSessions(
            keys: ChannelKeys(
                cluster: cluster, me: Self.ids[place], exchange: makePair(Self.ids[place]),
                peers: Self.ids.indices.map { peer in
                    ChannelKeys.Peer(
                        node: Self.ids[peer], exchangeKey: makePair(Self.ids[peer]).publicKey,
                        isCore: !edges.contains(peer) && !doubts.contains { $0 == (place, peer) })
                }), bootEpoch: UInt64(lives[place]),
            entropy: SeededEntropy(seed: seed &* 1000 &+ UInt64(place * 100 + lives[place])))
    }

    /// Another life of the node: it remembers nothing but its keys and how often it was started.
    mutating func restart(_ place: Int) {
        lives[place] += 1
        nodes[place] = makeNode(place)
    }

    /// In another life, `place` takes `peer` for an edge node.
    mutating func doubt(_ peer: Int, by place: Int) {
        doubts.append((place, peer))
        restart(place)
    }

    /// The node as it would be with another secret of the cluster.
    mutating func replace(_ place: Int, cluster: ClusterKey) { nodes[place] = makeNode(place, cluster: cluster) }

    mutating func send(_ payload: [UInt8], from: Int, to: Int, kind: FrameKind = .gossip) {
        if let frame = nodes[from].seal(payload, kind: kind, to: Self.ids[to], now: now) {
            post(frame, from: from, to: nodes[from].path(to: Self.ids[to]) ?? addresses[to])
        }
        collect(from)
    }

    /// Hands one datagram over; nil if it did not open.
    @discardableResult
    mutating func deliver(_ letter: Letter) -> FrameRejection? {
        give(letter.bytes, to: letter.to, from: letter.source)
    }

    @discardableResult
    mutating func give(_ bytes: [UInt8], to place: Int, from source: Endpoint?) -> FrameRejection? {
        defer {
            nodes[place].checkInvariants()
            collect(place)
        }
        do throws(FrameRejection) {
            if let frame = try nodes[place].open(bytes, from: source, now: now) { opened.append((place, frame)) }
            return nil
        } catch {
            rejections.append(error)
            return error
        }
    }

    /// Delivers what has arrived and passes, in order, and drops the rest, until nothing is under way.
    mutating func settle(where passes: (Letter) -> Bool = { _ in true }) {
        for _ in 0..<10_000 {
            guard let place = letters.firstIndex(where: { $0.dueAt <= now }) else { return }
            let letter = letters.remove(at: place)
            if passes(letter) { deliver(letter) }
        }
    }

    mutating func wait(_ span: Duration, where passes: (Letter) -> Bool = { _ in true }) {
        let end = now + span
        while now < end {
            settle(where: passes)
            now = ([end] + nodes.map(\.nextDeadline) + letters.map(\.dueAt)).min() ?? end
            for place in nodes.indices {
                nodes[place].tick(now: now)
                collect(place)
            }
        }
        settle(where: passes)
    }

    mutating func connect(_ a: Int = 0, _ b: Int = 1) {
        send([0xAA], from: a, to: b)
        settle()
        send([0xBB], from: b, to: a)
        settle()
        opened = []
    }

    func payloads(at place: Int) -> [[UInt8]] { opened.filter { $0.by == place }.map(\.frame.payload) }

    /// The type byte of what is under way.
    var kinds: [UInt8] { letters.map { $0.bytes[0] } }

    private mutating func collect(_ place: Int) {
        for frame in nodes[place].takeOutbox() {
            let known = Self.ids.firstIndex(of: frame.node).map { addresses[$0] }
            if let endpoint = frame.endpoint ?? known { post(frame.bytes, from: place, to: endpoint) }
        }
    }

    private mutating func post(_ bytes: [UInt8], from: Int, to endpoint: Endpoint) {
        guard let to = addresses.firstIndex(of: endpoint) else { return }
        let letter = Letter(from: from, to: to, bytes: bytes, source: addresses[from], dueAt: now + latency)
        letters.append(letter)
        history.append(letter)
    }
}

enum Kind {
    static let initiation: UInt8 = 0x11
    static let response: UInt8 = 0x12
    static let cookie: UInt8 = 0x13
    static let transport: UInt8 = 0x14
}
