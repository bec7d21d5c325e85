import Authority
import NodeCore
import Primitives

// Clients of the simulated mesh: people who sign in and programs that store values. Password hashing and token
// signatures are left out; what is replicated is the same as in an agent.
extension ScenarioRunner {
    mutating func createUser(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        let name = try userName(command)
        let answer = commit(
            .createUser(name: name, verifier: .simulated, role: world.hasUsers(node) ? .user : .admin), on: node)
        guard case .committed(.done, _) = answer else { return [describe(answer, on: node)] }
        return ["user \(name) created on \(world.name(of: node))"]
    }

    mutating func login(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        let name = try userName(command)
        let label = command.option("as") ?? "S\(sessions.count + 1)"
        sessions[label] = .some(nil)
        if world.user(name, on: node) == nil {
            let answer = world.wait(for: world.readBarrier(at: node))
            guard case .readable = answer else { return [describe(answer, on: node)] }
        }
        guard let user = world.user(name, on: node) else {
            return ["refused on \(world.name(of: node)): 401 no such user"]
        }
        let id = SessionID.drawn(from: &world.random)
        let grant = SessionGrant(
            id: id, user: name, passwordRevision: user.passwordRevision, node: world.nodes[node].id,
            refreshHash: Bytes32.drawn(from: &world.random), label: .simulated)
        let answer = commit(.grantSession(grant), on: node)
        guard case .committed(.granted, let index) = answer else { return [describe(answer, on: node)] }
        world.checkers.noteGranted(id, at: index)
        sessions[label] = id
        return ["\(name) signed in on \(world.name(of: node)) as \(label)"]
    }

    mutating func logout(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        let (label, granted) = try session(command)
        guard let id = granted else { return ["\(label) was never granted"] }
        world.checkers.noteDoubtful(id)
        let answer = commit(.revokeSession(id), on: node)
        guard case .committed(let reply, let index) = answer, case .sessionsEnded = reply else {
            return [describe(answer, on: node)]
        }
        world.checkers.noteEnded(id, at: index)
        return ["\(label) signed out on \(world.name(of: node))"]
    }

    /// `check n3 session=S1`: does a request with this session count there? `check session=S1` asks every node.
    mutating func check(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let (label, granted) = try session(command)
        guard let id = granted else { return ["\(label) was never granted"] }
        let named = try nodes(command)
        var verdicts: [(verdict: String, nodes: [String])] = []
        for node in named.isEmpty ? Array(0..<world.nodeCount) : named {
            guard let view = world.view(of: node) else { continue }
            let known = view.authority.sessions[id] != nil
            let freshness = view.isFresh(at: world.localTime(of: node)) ? "" : ", cut off from the mesh"
            let verdict = (known ? "valid" : "refused") + freshness
            if let same = verdicts.firstIndex(where: { $0.verdict == verdict }) {
                verdicts[same].nodes.append(view.name)
            } else {
                verdicts.append((verdict, [view.name]))
            }
        }
        return verdicts.map { "\(label) on \($0.nodes.joined(separator: " ")): \($0.verdict)" }
    }

    /// How many sessions each node holds.
    func sessionCounts() -> [String] {
        (0..<world.nodeCount).compactMap { node in
            world.brain(of: node).map { "\(world.name(of: node)): \($0.authority.sessions.count) sessions" }
        }
    }

    mutating func put(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        let key = try valueKey(command)
        let value = try require("value", command)
        let answer = commit(
            .putValue(key: key, value: Array(value.utf8), condition: .none, author: .simulated), on: node)
        guard case .committed(.stored, _) = answer else { return [describe(answer, on: node)] }
        return ["stored on \(world.name(of: node))"]
    }

    /// A linearizable read unless `local=yes`.
    mutating func get(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        let key = try valueKey(command)
        if command.option("local") == nil {
            let request = world.readBarrier(at: node)
            let answer = world.wait(for: request)
            guard case .readable = answer else { return [describe(answer, on: node)] }
        }
        guard let value = world.brain(of: node)?.authority.values[key] else {
            return ["\(command.option("key") ?? "") is absent on \(world.name(of: node))"]
        }
        let text = String(decoding: value.bytes, as: UTF8.self)
        return ["\(command.option("key") ?? "") is \(text) on \(world.name(of: node))"]
    }

    /// Says that nothing was lost or contradicted so far, or what was.
    func verify() -> [String] {
        let broken = world.allViolations()
        if !broken.isEmpty { return broken }
        return [
            "nothing lost or contradicted: \(world.checkers.granted.count) sessions open,"
                + " \(world.checkers.ended.count) ended, never two primaries"
        ]
    }

    // MARK: Steps

    private mutating func commit(_ command: AuthorityCommand, on node: Int) -> NodeAnswer? {
        world.wait(for: world.submit(command, to: node))
    }

    private func describe(_ answer: NodeAnswer?, on node: Int) -> String {
        let name = world.name(of: node)
        switch answer {
        case .refused(let refusal): return "refused on \(name): \(refusal.httpStatus) \(refusal.code)"
        case .committed(.refused(let refusal), _): return "refused on \(name): \(refusal)"
        case .committed(let reply, _): return "answered on \(name): \(reply)"
        case .readable: return "readable on \(name)"
        case nil: return "no answer on \(name) within 10s"
        }
    }

    private func session(_ command: Scenario.Command) throws(ScenarioError) -> (String, SessionID?) {
        let label = try require("session", command)
        guard let id = sessions[label] else {
            throw ScenarioError(line: command.line, reason: "no session was named '\(label)'; write 'login n1 user=ada as=\(label)' before")
        }
        return (label, id)
    }

    private func userName(_ command: Scenario.Command) throws(ScenarioError) -> UserName {
        let text = try require("user", command)
        guard let name = UserName(text) else {
            throw ScenarioError(line: command.line, reason: "'\(text)' is no user name")
        }
        return name
    }

    private func valueKey(_ command: Scenario.Command) throws(ScenarioError) -> ValueKey {
        let text = try require("key", command)
        guard let key = ValueKey(text) else { throw ScenarioError(line: command.line, reason: "'\(text)' is no key") }
        return key
    }
}

extension World {
    /// Runs until the request is answered, at most ten seconds.
    mutating func wait(for request: RequestID) -> NodeAnswer? {
        _ = run(atMost: .seconds(10)) { $0.answers[request] != nil }
        return takeAnswer(to: request)
    }

    func user(_ name: UserName, on node: Int) -> User? { nodes[node].brain?.authority.users[name] }
    func hasUsers(_ node: Int) -> Bool { !(nodes[node].brain?.authority.users.isEmpty ?? true) }
}
