import Primitives

/// The links between nodes, each direction on its own: delay, loss, duplication and cuts.
struct SimulatedNetwork: Sendable {
    struct Link: Hashable, Sendable {
        /// One way.
        var latency: ClosedRange<Duration> = .microseconds(100)...(.microseconds(400))
        var lossPerMille = 0
        var duplicatePerMille = 0
        var isCut = false
    }

    enum Fate: Hashable, Sendable {
        case lost
        /// Arrives after each of these delays.
        case delivered([Duration])
    }

    let count: Int
    private var links: [Link]

    init(nodes: Int) {
        count = nodes
        links = Array(repeating: Link(), count: nodes * nodes)
    }

    subscript(from: Int, to: Int) -> Link {
        get { links[from * count + to] }
        set { links[from * count + to] = newValue }
    }

    mutating func fate(from: Int, to: Int, random: inout SeededRandom) -> Fate {
        let link = self[from, to]
        if link.isCut { return .lost }
        if link.lossPerMille > 0, random.chance(link.lossPerMille, in: 1000) { return .lost }
        var delays = [random.duration(in: link.latency)]
        if link.duplicatePerMille > 0, random.chance(link.duplicatePerMille, in: 1000) {
            delays.append(random.duration(in: link.latency))
        }
        return .delivered(delays)
    }

    /// Nodes talk within their group only; a node in no group talks to nobody.
    mutating func partition(_ groups: [[Int]]) {
        for a in 0..<count {
            for b in 0..<count where a != b {
                self[a, b].isCut = !groups.contains { $0.contains(a) && $0.contains(b) }
            }
        }
    }

    mutating func heal() {
        for position in links.indices { links[position].isCut = false }
    }

    mutating func cut(_ from: Int, _ to: Int) { self[from, to].isCut = true }
    mutating func mend(_ from: Int, _ to: Int) { self[from, to].isCut = false }
}
