// Any shape of network.
extension World {
    /// Only these nodes reach each other directly, both ways.
    package mutating func keepOnly(_ edges: [(Int, Int)]) {
        for a in nodes.indices {
            for b in nodes.indices where a != b {
                let isKept = edges.contains { $0 == (a, b) || $0 == (b, a) }
                if isKept { network.mend(a, b) } else { network.cut(a, b) }
            }
        }
    }

    /// Every link takes this long, one way.
    package mutating func setLatency(_ latency: ClosedRange<Duration>) {
        for a in nodes.indices {
            for b in nodes.indices where a != b { network[a, b].latency = latency }
        }
    }
}
