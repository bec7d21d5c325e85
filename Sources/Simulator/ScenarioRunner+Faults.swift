import NodeCore
import Primitives
import Raft

// Faults of disks and links, and what shows that they happened.
extension ScenarioRunner {
    // MARK: Disks

    /// `disk n1 hung`, `disk n1 sync=400ms`, `disk n1 rot=record-body` and so on; simulations/README.md lists them.
    mutating func setDisk(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        guard let node = try nodes(Array(command.arguments.prefix(1)), command).first else {
            throw ScenarioError(line: command.line, reason: "'disk' needs a node, as in 'disk n1 hung'")
        }
        if try setDiskOption(command, node) { return [] }
        switch command.arguments.dropFirst().first {
        case "hung": world.setDiskHung(true, node: node)
        case "normal": world.mendDisk(of: node)
        case "full": world.changeTrouble(of: node) { $0.isFull = true }
        case "failing": world.changeTrouble(of: node) { $0.syncFailure = .always }
        case "failing-once": world.changeTrouble(of: node) { $0.syncFailure = .once }
        case "lying": world.changeTrouble(of: node) { $0.isLying = true }
        case "reordering": world.changeTrouble(of: node) { $0.reordersWrites = true }
        case "astray": world.changeTrouble(of: node) { $0.misdirectsNext = true }
        case "wiped": world.nodes[node].disk.wipe()
        case "copied": world.nodes[node].diskCopy = world.nodes[node].disk
        case "restored":
            guard let copy = world.nodes[node].diskCopy else {
                throw ScenarioError(line: command.line, reason: "write 'disk n1 copied' before 'disk n1 restored'")
            }
            world.nodes[node].disk.rollBack(to: copy)
        default:
            throw ScenarioError(
                line: command.line,
                reason: "write 'disk n1 hung', 'disk n1 normal', 'disk n1 rot=record-body'; see simulations/README.md")
        }
        return []
    }

    /// The forms with a value; false if there is none.
    private mutating func setDiskOption(_ command: Scenario.Command, _ node: Int) throws(ScenarioError) -> Bool {
        if let text = command.option("sync") {
            let latency = try span(text, command)
            world.nodes[node].disk.syncLatency = latency...latency
            return true
        }
        if let text = command.option("cut-tail") {
            guard let bytes = Int(text), bytes >= 1, world.nodes[node].disk.cutTail(bytes: bytes) else {
                throw ScenarioError(line: command.line, reason: "there are no \(text) bytes to cut off")
            }
            return true
        }
        let choice = try choice(command)
        if let text = command.option("rot") {
            guard world.nodes[node].disk.rot(try part(text, command), choice, random: &world.random) else {
                throw ScenarioError(line: command.line, reason: "the disk holds no \(text)")
            }
            return true
        }
        if let text = command.option("unreadable") {
            guard world.nodes[node].disk.makeUnreadable(try part(text, command)) else {
                throw ScenarioError(line: command.line, reason: "the disk holds no \(text)")
            }
            return true
        }
        return false
    }

    private func choice(_ command: Scenario.Command) throws(ScenarioError) -> SimulatedDisk.Choice {
        switch command.option("which") {
        case nil, "last": .last
        case "first": .first
        case "any": .any
        case let other?: throw ScenarioError(line: command.line, reason: "which= is first, last or any, not \(other)")
        }
    }

    private func part(_ text: String, _ command: Scenario.Command) throws(ScenarioError) -> WALLayout.Part {
        switch text {
        case "slot-a": .slotA
        case "slot-b": .slotB
        case "segment-header": .segmentHeader
        case "identity": .identity
        case "record-header": .recordHeader
        case "record-body": .recordBody
        default:
            throw ScenarioError(
                line: command.line,
                reason: "'\(text)' is none of slot-a, slot-b, segment-header, identity, record-header, record-body")
        }
    }

    // MARK: Links

    /// `link n1 - n2 latency=40ms loss=10% duplicate=5% reorder=5% corrupt=1% truncate=1% replay=1% misdeliver=1%
    /// strange-source=1%`.
    mutating func shapeLink(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        for (from, to) in try pairs(command) {
            if let text = command.option("latency") {
                let latency = try span(text, command)
                world.network[from, to].latency = latency...latency + .microseconds(300)
            }
            try share("loss", command) { world.network[from, to].lossPerMille = $0 }
            try share("duplicate", command) { world.network[from, to].duplicatePerMille = $0 }
            var mischief = world.network.mischief(from: from, to: to)
            try share("reorder", command) { mischief.reorderPerMille = $0 }
            try share("corrupt", command) { mischief.corruptPerMille = $0 }
            try share("truncate", command) { mischief.truncatePerMille = $0 }
            try share("replay", command) { mischief.replayPerMille = $0 }
            try share("misdeliver", command) { mischief.misdeliverPerMille = $0 }
            try share("strange-source", command) { mischief.strangeSourcePerMille = $0 }
            world.network.setMischief(mischief, from: from, to: to)
        }
        return []
    }

    private func share(
        _ key: String, _ command: Scenario.Command, _ set: (Int) -> Void
    ) throws(ScenarioError) {
        guard let text = command.option(key) else { return }
        guard text.hasSuffix("%"), let percent = Int(text.dropLast()), (0...100).contains(percent) else {
            throw ScenarioError(line: command.line, reason: "'\(text)' is no share; write for example \(key)=10%")
        }
        set(percent * 10)
    }

    /// `clog n1 -> n2 for=3s`: nothing arrives, then everything. `stall` does it to the stream only.
    mutating func clog(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let end = world.now + (try span(command.option("for"), command))
        for (from, to) in try pairs(command) {
            var mischief = world.network.mischief(from: from, to: to)
            if command.verb == "clog" { mischief.cloggedUntil = end } else { mischief.stalledUntil = end }
            world.network.setMischief(mischief, from: from, to: to)
        }
        return []
    }

    mutating func resetStreams(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        for (from, to) in try pairs(command) { world.resetStreams(from, to) }
        return []
    }

    /// `foreign n1 count=50`: frames of another mesh reach n1.
    mutating func sendForeignFrames(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        guard let count = Int(try require("count", command)), (1...10_000).contains(count) else {
            throw ScenarioError(line: command.line, reason: "count= is a number of frames from 1 to 10000")
        }
        world.sendForeignFrames(count, to: try node(command))
        return []
    }

    /// `topology 12 13 35`: only these links remain, each in both directions.
    mutating func setTopology(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        var edges: [(Int, Int)] = []
        for word in command.arguments {
            let ends = try nodes(word.map { "n\($0)" }, command)
            guard ends.count == 2, ends[0] != ends[1] else {
                throw ScenarioError(
                    line: command.line, reason: "'\(word)' is no link; write 12 for the one of n1 and n2")
            }
            edges.append((ends[0], ends[1]))
        }
        world.keepOnly(edges)
        return []
    }

    // MARK: Looking

    /// What went wrong so far, by class.
    func faults() -> [String] {
        let occurred = world.faultCounts.occurred
        if occurred.isEmpty { return ["no faults so far"] }
        return [occurred.map { "\($0.fault.name) \($0.count)" }.joined(separator: ", ")]
    }

    /// How long each running node's log is, and how much of it is committed.
    func logs() -> [String] {
        var lines: [(text: String, nodes: [String])] = []
        for node in 0..<world.nodeCount {
            guard let consensus = world.brain(of: node)?.consensus else { continue }
            let text = "\(consensus.lastIndex) entries, \(consensus.commitIndex) committed"
            if let same = lines.firstIndex(where: { $0.text == text }) {
                lines[same].nodes.append(world.name(of: node))
            } else {
                lines.append((text, [world.name(of: node)]))
            }
        }
        return lines.map { "\($0.text) on \($0.nodes.joined(separator: " "))" }
    }
}
