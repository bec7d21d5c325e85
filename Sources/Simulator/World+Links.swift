// Changes to who reaches whom, each counted where it is made.
extension World {
    /// Nodes talk within their group only; a node in no group talks to nobody.
    package mutating func partition(_ groups: [[Int]]) {
        faults.note(.partition)
        network.partition(groups)
    }

    package mutating func isolate(_ node: Int) {
        faults.note(.isolation)
        network.partition([(0..<nodes.count).filter { $0 != node }])
    }

    package mutating func cutOneWay(_ from: Int, _ to: Int) {
        faults.note(.oneWayCut)
        network.cut(from, to)
    }

    /// Only these nodes reach each other directly, both ways.
    package mutating func keepOnly(_ edges: [(Int, Int)]) {
        faults.note(.topology)
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

    /// One step of a link that goes down and up, down and up.
    mutating func setLink(_ a: Int, _ b: Int, isCut: Bool) {
        if isCut { faults.note(.flap) }
        for (from, to) in [(a, b), (b, a)] {
            if isCut { network.cut(from, to) } else { network.mend(from, to) }
        }
        recordCuts()
    }
}

extension World {
    /// Every link loses this share of its datagrams, each way.
    package mutating func setLoss(perMille: Int) {
        for a in nodes.indices {
            for b in nodes.indices where a != b { network[a, b].lossPerMille = perMille }
        }
    }

    /// Every link swallows datagrams above this size, each way.
    package mutating func setDatagramLimit(_ bytes: Int) {
        for a in nodes.indices {
            for b in nodes.indices where a != b { network[a, b].datagramBytesMax = bytes }
        }
    }

    /// Every cut ends.
    package mutating func heal() { network.heal() }
}
