import Primitives

/// The links between nodes, each direction on its own: delay, loss, duplication and cuts.
package struct SimulatedNetwork: Sendable {
    package struct Link: Hashable, Sendable {
        /// One way.
        package var latency: ClosedRange<Duration> = .microseconds(100)...(.microseconds(400))
        package var lossPerMille = 0
        package var duplicatePerMille = 0
        package var isCut = false
        /// Larger ones vanish, as where a tunnel is narrow and says nothing.
        package var datagramBytesMax = Int.max
    }

    package enum Fate: Hashable, Sendable {
        case lost
        /// Arrives after this delay, and perhaps once more after another.
        case delivered(Duration, again: Duration?)
    }

    package let count: Int
    package internal(set) var faults = FaultCounts()
    private var links: [Link]
    /// What is odd about each link beyond loss and delay; looked at only while `hasMischief`.
    private var mischiefs: [Mischief]
    package private(set) var hasMischief = false
    /// When the last message on each stream arrives.
    private var streams: [Instant]
    /// How often each stream was reset.
    private var resets: [UInt32]

    package init(nodes: Int) {
        count = nodes
        links = Array(repeating: Link(), count: nodes * nodes)
        mischiefs = Array(repeating: Mischief(), count: nodes * nodes)
        streams = Array(repeating: .zero, count: nodes * nodes)
        resets = Array(repeating: 0, count: nodes * nodes)
    }

    package subscript(from: Int, to: Int) -> Link {
        get { links[from * count + to] }
        set { links[from * count + to] = newValue }
    }

    package mutating func fate(from: Int, to: Int, bytes: Int = 0, random: inout SeededRandom) -> Fate {
        let link = self[from, to]
        if link.isCut || bytes > link.datagramBytesMax { return lost(to: .swallowed) }
        if link.lossPerMille > 0, random.chance(link.lossPerMille, in: 1000) { return lost(to: .loss) }
        let delay = random.duration(in: link.latency)
        if delay > Self.healthyLatencyMax { faults.note(.delay) }
        guard link.duplicatePerMille > 0, random.chance(link.duplicatePerMille, in: 1000) else {
            return .delivered(delay, again: nil)
        }
        faults.note(.duplication)
        return .delivered(delay, again: random.duration(in: link.latency))
    }

    private mutating func lost(to fault: FaultClass) -> Fate {
        faults.note(fault)
        return .lost
    }

    /// Beyond this a delay counts as a fault.
    private static let healthyLatencyMax = Link().latency.upperBound

    /// When a message on a stream arrives, counted from now; nil if the connection is broken.
    package mutating func streamDelay(from: Int, to: Int, random: inout SeededRandom) -> Duration? {
        let link = self[from, to]
        guard !link.isCut, !self[to, from].isCut else {
            faults.note(.swallowed)
            return nil
        }
        var delay = random.duration(in: link.latency)
        // Each loss costs a retransmission timeout, which doubles; a few in a row break the connection.
        var timeout = Duration.milliseconds(200)
        for _ in 0..<4 {
            guard link.lossPerMille > 0, random.chance(link.lossPerMille, in: 1000) else { return delay }
            delay += timeout
            timeout += timeout
        }
        return nil
    }

    /// Nothing that is sent on this stream now may arrive before this.
    package func streamFreeAt(from: Int, to: Int) -> Instant { streams[from * count + to] }

    package mutating func noteStream(from: Int, to: Int, arrivesAt: Instant) { streams[from * count + to] = arrivesAt }

    /// Which connection of the two a message sent now travels on.
    func streamGeneration(from: Int, to: Int) -> UInt32 { resets[from * count + to] }

    mutating func resetStream(from: Int, to: Int) {
        resets[from * count + to] &+= 1
        streams[from * count + to] = .zero
    }

    package func mischief(from: Int, to: Int) -> Mischief { mischiefs[from * count + to] }

    package mutating func setMischief(_ mischief: Mischief, from: Int, to: Int) {
        mischiefs[from * count + to] = mischief
        hasMischief = hasMischief || mischief != Mischief()
    }

    /// Nodes talk within their group only; a node in no group talks to nobody.
    package mutating func partition(_ groups: [[Int]]) {
        for a in 0..<count {
            for b in 0..<count where a != b {
                self[a, b].isCut = !groups.contains { $0.contains(a) && $0.contains(b) }
            }
        }
    }

    package mutating func heal() {
        for position in links.indices { links[position].isCut = false }
    }

    /// Every link is whole, fast and honest again. The counts stay.
    package mutating func mendEverything() {
        for position in links.indices { links[position] = Link() }
        for position in mischiefs.indices { mischiefs[position] = Mischief() }
        hasMischief = false
    }

    package mutating func cut(_ from: Int, _ to: Int) { self[from, to].isCut = true }
    package mutating func mend(_ from: Int, _ to: Int) { self[from, to].isCut = false }
}
