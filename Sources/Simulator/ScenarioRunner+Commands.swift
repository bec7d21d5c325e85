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
        case "answer": return try answer(command)
        case "members": return try members(command)
        case "log": return logs()
        case "faults": return faults()
        case "partition": return try partition(command)
        case "heal":
            world.network.heal()
            return []
        case "topology": return try setTopology(command)
        case "clog", "stall": return try clog(command)
        case "reset": return try resetStreams(command)
        case "foreign": return try sendForeignFrames(command)
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
        case "refresh": return try refresh(command)
        case "check": return try check(command)
        case "sessions": return sessionCounts()
        case "fill": return try fill(command)
        case "put": return try put(command)
        case "lock": return try lock(command)
        case "renew": return try renew(command)
        case "unlock": return try unlock(command)
        case "locks": return try heldLocks(command)
        case "remove": return try remove(command)
        case "configuration": return try configuration(command)
        case "get": return try get(command)
        case "swarm": return try swarm(command)
        case "verify": return verify()
        default:
            throw ScenarioError(
                line: command.line, reason: "'\(command.verb)' is no command; see simulations/README.md")
        }
    }

    /// `swarm keep=3,9,14 for=20s`: the swarm of this seed, in a world of its own, with only these of its troubles. Prints
    /// them, and what came of it.
    private func swarm(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        var swarm = Swarm()
        swarm.duration = try span(command.option("for"), command)
        if let text = command.option("keep") {
            guard let kept = Swarm.troubleNumbers(text) else {
                throw ScenarioError(line: command.line, reason: "keep=3,9 names troubles by number, not '\(text)'")
            }
            swarm.keptTroubles = kept
        }
        let report = swarm.run(seed: world.settings.seed)
        let verdict = report.violations.isEmpty ? [SwarmShrinker.Shrunk.verdict] : report.violations
        return report.troubles.map(\.line) + verdict
    }

    // MARK: Time and machines

    /// `start` brings up every node that is down; `start n2 n3` only those; `start n1 after=5s` later, `start n1
    /// heartbeat=30ms` with another configuration. Prints who refuses, and why.
    private mutating func start(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let named = try nodes(command)
        let delay = try command.option("after").map { text throws(ScenarioError) in try span(text, command) }
        let interval = try command.option("heartbeat").map { text throws(ScenarioError) in try span(text, command) }
        // Five in the shortest election timeout's lease.
        if let interval, !(.milliseconds(1)...(.milliseconds(40)) ~= interval) {
            throw ScenarioError(line: command.line, reason: "heartbeat takes 1ms to 40ms")
        }
        var output: [String] = []
        for node in named.isEmpty ? Array(0..<world.nodeCount) : named {
            if let delay {
                world.start(node, after: delay)
            } else if let interval {
                world.startReconfigured(node, heartbeatInterval: interval)
            } else {
                world.start(node)
            }
            if let refusal = world.nodes[node].startRefusal {
                output.append("\(world.name(of: node)) does not start: \(refusal)")
            }
        }
        return output
    }

    private mutating func pass(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        world.run(for: try span(command.arguments.first, command))
        return []
    }

    /// `crash n1`, `power-cut n1`, or all without a name; `at-step=3` waits for the third operation of a disk batch.
    private mutating func stop(_ command: Scenario.Command, cutsPower: Bool) throws(ScenarioError) -> [String] {
        let named = try nodes(command)
        let chosen = named.isEmpty ? Array(0..<world.nodeCount) : named
        if let text = command.option("at-step") {
            guard let step = Int(text), step >= 1 else {
                throw ScenarioError(line: command.line, reason: "at-step counts disk operations from 1, not '\(text)'")
            }
            for node in chosen { world.doom(node, afterOperations: step - 1, cutsPower: cutsPower) }
            return []
        }
        if cutsPower, named.isEmpty { world.faults.note(.powerCutAll) }
        for node in chosen { world.stop(node, cutsPower: cutsPower) }
        return []
    }

    private mutating func pause(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        world.pause(try node(command), for: try span(command.option("for"), command))
        return []
    }

    /// `clock n1 drift-ppm=20000`, `clock n1 wall=1h` (or `wall=-1h`), `clock n1 late=50ms`.
    private mutating func setClock(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        if let text = command.option("wall") {
            let isBack = text.hasPrefix("-")
            let distance = try span(isBack ? String(text.dropFirst()) : text, command)
            world.jumpWallClock(by: isBack ? .zero - distance : distance, of: node)
            return []
        }
        if let text = command.option("late") {
            world.nodes[node].timerLateness = try span(text, command)
            return []
        }
        guard let ppm = Int64(try require("drift-ppm", command)), abs(ppm) <= 500_000 else {
            throw ScenarioError(
                line: command.line, reason: "drift-ppm is a whole number of parts per million, at most 500000")
        }
        world.setDrift(ppm: ppm, of: node)
        return []
    }

    // MARK: Network

    /// `partition n1 n2 | n3 n4 n5`; a node that is not named is alone.
    private mutating func partition(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        var groups: [[Int]] = []
        for group in command.arguments.split(separator: "|") { groups.append(try nodes(Array(group), command)) }
        world.partition(groups)
        return []
    }

    private mutating func isolate(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let alone = try nodes(command)
        if let one = alone.first, alone.count == 1 {
            world.isolate(one)
        } else {
            world.partition([(0..<world.nodeCount).filter { !alone.contains($0) }])
        }
        return []
    }

    /// `cut n1 -> n2` one way, `cut n1 - n2` both ways; `mend` likewise.
    private mutating func setLink(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        for (from, to) in try pairs(command) {
            if command.verb == "cut" { world.cutOneWay(from, to) } else { world.network.mend(from, to) }
        }
        return []
    }

    /// `flap n1 - n2 every=300ms for=10s`: down, up, down, up.
    private mutating func flap(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let ends = try pairs(command)[0]
        let period = try span(command.option("every"), command)
        let end = world.now + (try span(command.option("for"), command))
        guard period > .zero else { throw ScenarioError(line: command.line, reason: "every=... must be positive") }
        var isDown = false
        while world.now < end {
            isDown.toggle()
            world.setLink(ends.0, ends.1, isCut: isDown)
            world.run(for: period)
        }
        world.setLink(ends.0, ends.1, isCut: false)
        return []
    }

    func pairs(_ command: Scenario.Command) throws(ScenarioError) -> [(Int, Int)] {
        let words = command.arguments
        guard words.count == 3, words[1] == "->" || words[1] == "-" else {
            throw ScenarioError(
                line: command.line, reason: "write '\(command.verb) n1 -> n2' or '\(command.verb) n1 - n2'")
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
