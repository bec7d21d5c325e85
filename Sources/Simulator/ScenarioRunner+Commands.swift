import Authority
import NodeCore
import Primitives
import Raft

// What each scenario command does and prints. simulations/README.md lists them for people.
extension ScenarioRunner {
    mutating func run(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        switch command.verb {
        case "start": return try start(command)
        case "run": return try pass(command)
        case "await": return try awaitPrimary(command)
        case "primary": return primaries()
        case "term": return terms()
        case "begin": return try begin(command)
        case "members": return try members(command)
        case "partition": return try partition(command)
        case "heal": world.network.heal(); return []
        case "isolate": return try isolate(command)
        case "cut", "mend": return try setLink(command)
        case "link": return try shapeLink(command)
        case "flap": return try flap(command)
        case "crash": return try stop(command, cutsPower: false)
        case "power-cut": return try stop(command, cutsPower: true)
        case "pause": return try pause(command)
        case "disk": return try setDisk(command)
        case "clock": return try setClock(command)
        case "create-user": return try createUser(command)
        case "login": return try login(command)
        case "logout": return try logout(command)
        case "check": return try check(command)
        case "sessions": return sessionCounts()
        case "put": return try put(command)
        case "get": return try get(command)
        case "verify": return verify()
        default:
            throw ScenarioError(line: command.line, reason: "'\(command.verb)' is no command; see simulations/README.md")
        }
    }

    // MARK: Time and machines

    /// `start` brings up every node that is down; `start n2 n3` only those.
    private mutating func start(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let named = try nodes(command)
        for node in named.isEmpty ? Array(0..<world.nodeCount) : named { world.start(node) }
        return []
    }

    private mutating func pass(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        world.run(for: try span(command.arguments.first, command))
        return []
    }

    private mutating func stop(_ command: Scenario.Command, cutsPower: Bool) throws(ScenarioError) -> [String] {
        let named = try nodes(command)
        for node in named.isEmpty ? Array(0..<world.nodeCount) : named { world.stop(node, cutsPower: cutsPower) }
        return []
    }

    private mutating func pause(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        world.pause(try node(command), for: try span(command.option("for"), command))
        return []
    }

    /// `disk n1 sync=400ms`, `disk n1 hung`, `disk n1 normal`.
    private mutating func setDisk(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let name = Array(command.arguments.prefix(1))
        guard let node = try nodes(name, command).first else {
            throw ScenarioError(line: command.line, reason: "'disk' needs a node, as in 'disk n1 hung'")
        }
        switch (command.arguments.dropFirst().first, command.option("sync")) {
        case (nil, let text?):
            let latency = try span(text, command)
            world.nodes[node].disk.syncLatency = latency...latency
        case ("hung", nil): world.setDiskHung(true, node: node)
        case ("normal", nil):
            world.nodes[node].disk.syncLatency = SimulatedDisk().syncLatency
            world.setDiskHung(false, node: node)
        default:
            throw ScenarioError(line: command.line, reason: "write 'disk n1 sync=400ms', 'disk n1 hung' or 'disk n1 normal'")
        }
        return []
    }

    private mutating func setClock(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        guard let ppm = Int64(try require("drift-ppm", command)), abs(ppm) <= 500_000 else {
            throw ScenarioError(line: command.line, reason: "drift-ppm is a whole number of parts per million, at most 500000")
        }
        world.setDrift(ppm: ppm, of: node)
        return []
    }

    // MARK: Network

    /// `partition n1 n2 | n3 n4 n5`; a node that is not named is alone.
    private mutating func partition(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        var groups: [[Int]] = []
        for group in command.arguments.split(separator: "|") { groups.append(try nodes(Array(group), command)) }
        world.network.partition(groups)
        return []
    }

    private mutating func isolate(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let alone = try nodes(command)
        world.network.partition([(0..<world.nodeCount).filter { !alone.contains($0) }])
        return []
    }

    /// `cut n1 -> n2` one way, `cut n1 - n2` both ways; `mend` likewise.
    private mutating func setLink(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        for (from, to) in try pairs(command) {
            if command.verb == "cut" { world.network.cut(from, to) } else { world.network.mend(from, to) }
        }
        return []
    }

    /// `link n1 - n2 latency=40ms loss=10%`.
    private mutating func shapeLink(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        for (from, to) in try pairs(command) {
            if let text = command.option("latency") {
                let latency = try span(text, command)
                world.network[from, to].latency = latency...latency + .microseconds(300)
            }
            if let text = command.option("loss") {
                guard text.hasSuffix("%"), let percent = Int(text.dropLast()), (0...100).contains(percent) else {
                    throw ScenarioError(line: command.line, reason: "'\(text)' is no loss; write for example loss=10%")
                }
                world.network[from, to].lossPerMille = percent * 10
            }
        }
        return []
    }

    /// `flap n1 - n2 every=300ms for=10s`: down, up, down, up.
    private mutating func flap(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let links = try pairs(command)
        let period = try span(command.option("every"), command)
        let end = world.now + (try span(command.option("for"), command))
        guard period > .zero else { throw ScenarioError(line: command.line, reason: "every=... must be positive") }
        var isDown = false
        while world.now < end {
            isDown.toggle()
            for (from, to) in links {
                if isDown { world.network.cut(from, to) } else { world.network.mend(from, to) }
            }
            world.run(for: period)
        }
        for (from, to) in links { world.network.mend(from, to) }
        return []
    }

    private func pairs(_ command: Scenario.Command) throws(ScenarioError) -> [(Int, Int)] {
        let words = command.arguments
        guard words.count == 3, words[1] == "->" || words[1] == "-" else {
            throw ScenarioError(line: command.line, reason: "write '\(command.verb) n1 -> n2' or '\(command.verb) n1 - n2'")
        }
        let ends = try nodes([words[0], words[2]], command)
        let there = (ends[0], ends[1])
        return words[1] == "->" ? [there] : [there, (ends[1], ends[0])]
    }

    // MARK: Who leads

    /// `await primary`, `await primary n1`, with `within=10s` unless given: all running nodes agree.
    private mutating func awaitPrimary(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        guard command.arguments.first == "primary" else {
            throw ScenarioError(line: command.line, reason: "write 'await primary', or 'await primary n1 among=n1,n2'")
        }
        let wanted = try nodes(Array(command.arguments.dropFirst()), command).first
        let limit = try span(command.option("within") ?? "10s", command)
        let among = try command.option("among").map { text throws(ScenarioError) in
            try nodes(text.split(separator: ",").map(String.init), command)
        }
        let watched = among ?? (0..<world.nodeCount).filter { world.nodes[$0].isAwake }
        guard !watched.isEmpty else { return ["nobody is up"] }
        let reached = world.run(atMost: limit) { world in
            guard let primary = world.primary(seenBy: watched[0]), wanted ?? primary == primary else { return false }
            return watched.allSatisfy { world.primary(seenBy: $0) == primary }
        }
        return reached ? primaries() : ["no common primary within \(command.option("within") ?? "10s")"] + primaries()
    }

    /// One line for each opinion, in the order of the first node that holds it.
    private func primaries() -> [String] {
        var opinions: [(primary: Int?, holders: [Int])] = []
        for node in 0..<world.nodeCount where world.nodes[node].isAwake {
            let primary = world.primary(seenBy: node)
            if let known = opinions.firstIndex(where: { $0.primary == primary }) {
                opinions[known].holders.append(node)
            } else {
                opinions.append((primary, [node]))
            }
        }
        return opinions.map { opinion in
            let holders = opinion.holders.map(world.name(of:)).joined(separator: " ")
            return opinion.primary.map { "\(world.name(of: $0)) is primary, seen by \(holders)" }
                ?? "no primary, as \(holders) \(opinion.holders.count == 1 ? "sees" : "see") it"
        }
    }

    /// One line for each term that a running node is in, lowest first.
    private func terms() -> [String] {
        let running = (0..<world.nodeCount).filter { world.nodes[$0].isRunning }
        let terms = Set(running.compactMap { world.brain(of: $0)?.consensus.term })
        return terms.sorted().map { term in
            let holders = running.filter { world.brain(of: $0)?.consensus.term == term }
            return "term \(term) on \(holders.map(world.name(of:)).joined(separator: " "))"
        }
    }

    private func members(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        guard let view = world.view(of: node) else { return ["\(world.name(of: node)) is down"] }
        let states = view.members.filter { !$0.isSelf }.map { "\($0.name) \($0.state)" }
        return ["\(view.name) sees " + states.joined(separator: ", ") + (view.isIsolated ? "; it is isolated" : "")]
    }
}
