import Primitives

/// The newest word of every node about itself, and what this node sent to each since then.
///
/// Ordered by node id. Bounded by `nodeCountMax`; further nodes are ignored until one is removed.
package struct HealthTable: Sendable {
    package static let nodeCountMax = 4096

    /// What membership says of a node.
    package enum Standing: Hashable, Sendable {
        case alive
        case suspect
        /// Dead, left, or unreachable: never a candidate.
        case gone
    }

    struct Node: Sendable {
        let id: NodeID
        var name: String
        var isSelf: Bool
        var standing: Standing
        /// Seconds; nil if never measured.
        var roundTrip: Double?
        var vitals: Vitals?
        var load: Load?
        var catalogs: [Catalog?] = Array(repeating: nil, count: Catalog.pageCount)
        /// One for each backend of `load`, in its order.
        var backends: [Backend] = []
        fileprivate var clock = ReportClock()

        /// A model larger than this cannot be loaded; unlimited while the hardware is unknown.
        var largestMemoryBytes: UInt64 {
            guard let total = vitals?.memoryTotalBytes, total > 0 else { return .max }
            return max(total, vitals?.gpuMemoryTotalBytes ?? 0)
        }
    }

    /// What this node knows of a backend beyond its report.
    struct Backend: Sendable {
        var report: BackendReport
        var backlog = Backlog()
        var breaker: CircuitBreaker
        /// Share of our requests that failed there lately.
        var failureShare = 0.0
    }

    private(set) var nodes: [Node] = []
    private let breakerConfig: CircuitBreaker.Config

    package init(breakerConfig: CircuitBreaker.Config = CircuitBreaker.Config()) { self.breakerConfig = breakerConfig }

    package var nodeIDs: [NodeID] { nodes.map(\.id) }
    package func vitals(of id: NodeID) -> Vitals? { position(of: id).flatMap { nodes[$0].vitals } }
    package func load(of id: NodeID) -> Load? { position(of: id).flatMap { nodes[$0].load } }
    package func models(of id: NodeID) -> [ModelReport] {
        position(of: id).map { nodes[$0].catalogs.flatMap { $0?.models ?? [] } } ?? []
    }
    func catalog(of id: NodeID, page: Int) -> Catalog? { position(of: id).flatMap { nodes[$0].catalogs[page] } }
    /// Requests that this node has in flight at `id`.
    package func ownInFlight(at id: NodeID) -> Int {
        position(of: id).map { nodes[$0].backends.reduce(0) { $0 + $1.backlog.ownInFlight } } ?? 0
    }

    /// Returns false if nothing changed that decides which models can be reached.
    @discardableResult
    package mutating func update(
        _ id: NodeID, name: String, isSelf: Bool = false, standing: Standing, roundTrip: Duration? = nil
    ) -> Bool {
        let seconds = isSelf ? 0 : roundTrip?.inSeconds
        let insertion = insertionPosition(of: id)
        if insertion < nodes.count, nodes[insertion].id == id {
            let isChanged = nodes[insertion].standing != standing
            nodes[insertion].name = name
            nodes[insertion].isSelf = isSelf
            nodes[insertion].standing = standing
            nodes[insertion].roundTrip = seconds
            return isChanged
        }
        guard nodes.count < Self.nodeCountMax else { return false }
        nodes.insert(
            Node(id: id, name: name, isSelf: isSelf, standing: standing, roundTrip: seconds), at: insertion)
        return true
    }

    /// Returns whether there was such a node.
    @discardableResult
    package mutating func remove(_ id: NodeID) -> Bool {
        guard let position = position(of: id) else { return false }
        nodes.remove(at: position)
        return true
    }

    package mutating func update(_ id: NodeID, vitals: Vitals) {
        guard let position = position(of: id) else { return }
        nodes[position].vitals = vitals
    }

    /// Returns whether the list of backends changed. An unchanged or unknown node's load is ignored.
    @discardableResult
    package mutating func update(_ id: NodeID, load: Load, receivedAt: Instant) -> Bool {
        guard let position = position(of: id), nodes[position].load != load else { return false }
        let measuredAt = nodes[position].clock.moment(of: load.clockMilliseconds, receivedAt: receivedAt)
        let isSameList = nodes[position].backends.map(\.report.name) == load.backends.map(\.name)
        nodes[position].load = load
        if !isSameList {
            // A backend that only moved in the list keeps what is known of it.
            let old = nodes[position].backends
            nodes[position].backends = load.backends.map { report in
                var backend =
                    old.first { $0.report.name == report.name }
                    ?? Backend(report: report, breaker: CircuitBreaker(config: breakerConfig))
                backend.report = report
                return backend
            }
        }
        for (index, report) in load.backends.enumerated() {
            nodes[position].backends[index].report = report
            nodes[position].backends[index].backlog.note(report, measuredAt: measuredAt)
        }
        return !isSameList
    }

    /// Returns whether anything changed.
    @discardableResult
    package mutating func update(_ id: NodeID, catalog: Catalog) -> Bool {
        guard let position = position(of: id), nodes[position].catalogs[catalog.page] != catalog else { return false }
        nodes[position].catalogs[catalog.page] = catalog
        return true
    }

    func position(of id: NodeID) -> Int? {
        let position = insertionPosition(of: id)
        return position < nodes.count && nodes[position].id == id ? position : nil
    }

    /// The position of a backend by name, if the node still has it.
    func backendPosition(node: NodeID, backend: String) -> (node: Int, backend: Int)? {
        guard let node = position(of: node),
            let backend = nodes[node].backends.firstIndex(where: { $0.report.name == backend })
        else { return nil }
        return (node, backend)
    }

    mutating func withBackend(_ place: (node: Int, backend: Int), _ body: (inout Backend) -> Void) {
        body(&nodes[place.node].backends[place.backend])
    }

    package func checkInvariants() {
        for (a, b) in zip(nodes, nodes.dropFirst()) {
            precondition(a.id < b.id, "node \(a.id) is listed before \(b.id)")
        }
        for node in nodes {
            precondition(
                node.backends.count == node.load?.backends.count ?? 0,
                "\(node.backends.count) backends for a report of \(node.load?.backends.count ?? 0)")
            for backend in node.backends { backend.backlog.checkInvariants() }
        }
    }

    private func insertionPosition(of id: NodeID) -> Int {
        var low = 0
        var high = nodes.count
        while low < high {
            let middle = (low + high) / 2
            if nodes[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Turns a reporter's own clock into ours: the report that travelled fastest shows the offset best (the minimum filter
/// of NTP, RFC 5905 section 10). Delay of the fastest remains in it, a few milliseconds on a LAN.
private struct ReportClock: Sendable {
    /// Allowance for clocks that run apart, so that an old minimum does not hold for ever.
    private static let driftPerMillion: Int64 = 200

    private var offset: Int64?
    private var lastReported: UInt64 = 0
    private var lastReceivedAt = Instant.zero

    /// When a report stamped `reported` was measured, on our clock. 0 is "no clock": when it was received.
    mutating func moment(of reported: UInt64, receivedAt: Instant) -> Instant {
        let limit = UInt64(Int64.max / 2_000_000)
        guard reported > 0, reported <= limit else { return receivedAt }
        let nanoseconds = Int64(reported) * 1_000_000
        let seen = receivedAt.nanoseconds - nanoseconds
        if let offset, reported >= lastReported {
            let elapsed = max(0, (receivedAt - lastReceivedAt).inNanoseconds)
            self.offset = min(offset + elapsed / 1_000_000 * Self.driftPerMillion, seen)
        } else {
            // The first report, or the first after the reporter's restart.
            offset = seen
        }
        lastReported = reported
        lastReceivedAt = receivedAt
        return min(receivedAt, Instant(nanoseconds: nanoseconds + (offset ?? seen)))
    }
}
