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

    package mutating func keepOnly(_ edges: [(Int, Int)]) {
        faults.note(.topology)
        network.keepOnly(edges)
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
