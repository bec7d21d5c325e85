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
        guard let grant = world.makeGrant(for: name, on: node) else {
            return ["refused on \(world.name(of: node)): 401 no such user"]
        }
        let answer = commit(.grantSession(grant), on: node)
        guard case .committed(.granted, let index) = answer else { return [describe(answer, on: node)] }
        world.checkers.noteGranted(grant.id, at: index)
        refreshTokens[label] = grant.refreshHash
        sessions[label] = NamedSession(id: grant.id, grantedAt: index)
        return ["\(name) signed in on \(world.name(of: node)) as \(label)"]
    }

    mutating func logout(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        let (label, granted) = try session(command)
        guard let id = granted?.id else { return ["\(label) was never granted"] }
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
        guard let granted else { return ["\(label) was never granted"] }
        let named = try nodes(command)
        var verdicts: [(verdict: String, nodes: [String])] = []
        for node in named.isEmpty ? Array(0..<world.nodeCount) : named {
            guard let verdict = judge(granted, on: node) else { continue }
            if let same = verdicts.firstIndex(where: { $0.verdict == verdict }) {
                verdicts[same].nodes.append(world.name(of: node))
            } else {
                verdicts.append((verdict, [world.name(of: node)]))
            }
        }
        return verdicts.map { "\(label) on \($0.nodes.joined(separator: " ")): \($0.verdict)" }
    }

    /// As an agent does: a session that is absent has ended, unless its grant is an entry that this node has yet to
    /// apply. A fresh node waits for it; one that is cut off says so. Nil for a node that does not run.
    private mutating func judge(_ session: NamedSession, on node: Int) -> String? {
        _ = world.run(atMost: .seconds(1)) { world in
            guard let view = world.view(of: node) else { return true }
            return view.consensus.appliedIndex >= session.grantedAt || !view.isFresh(at: world.localTime(of: node))
        }
        guard let view = world.view(of: node) else { return nil }
        let isCutOff = !view.isFresh(at: world.localTime(of: node))
        if view.authority.sessions[session.id] != nil { return isCutOff ? "valid, cut off from the mesh" : "valid" }
        if view.consensus.appliedIndex < session.grantedAt { return "503 unknown here, cut off from the mesh" }
        return isCutOff ? "401 ended, cut off from the mesh" : "401 ended"
    }

    /// How many sessions each node holds.
    func sessionCounts() -> [String] {
        (0..<world.nodeCount).compactMap { node in
            world.brain(of: node).map { "\(world.name(of: node)): \($0.authority.sessions.count) sessions" }
        }
    }

    mutating func put(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        let write = try beginWrite(command)
        let answer = commit(try putCommand(command), on: node)
        values.end(write, answer, at: world.now)
        guard case .committed(.stored, _) = answer else { return [describe(answer, on: node)] }
        return ["stored on \(world.name(of: node))"]
    }

    /// `fill n1 count=60 bytes=2000`: begins so many writes of so many bytes (100 unless given), under keys of their
    /// own.
    mutating func fill(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        guard let count = Int(try require("count", command)), let bytes = Int(command.option("bytes") ?? "100"),
            (1...1000).contains(count), (1...60_000).contains(bytes)
        else { throw ScenarioError(line: command.line, reason: "count= is 1 to 1000, bytes= is 1 to 60000") }
        for number in 1...count {
            guard let key = ValueKey("fill-\(number)") else { continue }
            let value = [UInt8](repeating: 120, count: bytes)
            _ = values.beginWrite(
                "fill-\(number)", String(decoding: value, as: UTF8.self), ifAbsent: false, at: world.now)
            _ = world.submit(.putValue(key: key, value: value, condition: .none, author: .simulated), to: node)
            world.run(for: .milliseconds(2))
        }
        return []
    }

    /// A linearizable read unless `local=yes`.
    mutating func get(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        let key = try valueKey(command)
        let name = try require("key", command)
        let isLocal = command.option("local") != nil
        let process = isLocal ? nil : values.beginRead(name, at: world.now)
        if let process {
            let answer = world.wait(for: world.readBarrier(at: node))
            guard case .readable = answer else {
                values.endRead(process, name, found: nil, at: world.now)
                return [describe(answer, on: node)]
            }
        }
        let value = world.brain(of: node)?.authority.values[key]
        let text = value.map { String(decoding: $0.bytes, as: UTF8.self) }
        if let process { values.endRead(process, name, found: .some(text), at: world.now) }
        guard let text else { return ["\(name) is absent on \(world.name(of: node))"] }
        return ["\(name) is \(text) on \(world.name(of: node))"]
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

    /// `begin put n2 key=a value=b as=P1`: asks, and does not wait for the answer; `answer P1` prints it later.
    /// Nothing is promised to a client that does not look.
    mutating func begin(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let inner = Scenario.Command(text: command.text.dropFirst("begin".count).trimmingSpaces(), line: command.line)
        var node = try node(inner)
        let request: RequestID
        switch inner.verb {
        case "put":
            let write = try beginWrite(inner)
            if let label = inner.option("as") { values.begun[label] = write }
            request = world.submit(try putCommand(inner), to: node)
        case "get": request = world.readBarrier(at: node)
        case "remove":
            let (removed, asked) = try removal(inner)
            request = world.removeMember(removed, on: asked)
            node = asked
        case "login":
            guard let grant = world.makeGrant(for: try userName(inner), on: node) else { return ["401 no such user"] }
            request = world.submit(.grantSession(grant), to: node)
        case "refresh":
            guard let rotation = try rotation(inner) else { return ["no such session"] }
            request = world.submit(.rotateRefresh(rotation), to: node)
        default:
            throw ScenarioError(
                line: command.line, reason: "only 'put', 'get', 'login', 'refresh' and 'remove' can be begun")
        }
        if let label = inner.option("as") { begun[label] = (request, node) }
        return []
    }

    /// `answer P1`: what a client that began something was told, waiting for it.
    mutating func answer(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        guard let label = command.arguments.first, let (request, node) = begun[label] else {
            throw ScenarioError(
                line: command.line, reason: "write 'begin put n1 key=a value=b as=P1', then 'answer P1'")
        }
        let answer = world.wait(for: request)
        begun[label] = nil
        if let write = values.begun.removeValue(forKey: label) { values.end(write, answer, at: world.now) }
        if case .committed(.stored, _) = answer { return ["stored on \(world.name(of: node))"] }
        return [describe(answer, on: node)]
    }

    // MARK: Steps

    private mutating func beginWrite(_ command: Scenario.Command) throws(ScenarioError) -> StoryValues.Write {
        values.beginWrite(
            try require("key", command), try require("value", command), ifAbsent: command.option("if") == "absent",
            at: world.now)
    }

    private func putCommand(_ command: Scenario.Command) throws(ScenarioError) -> AuthorityCommand {
        let value = try require("value", command)
        let isNew = command.option("if") == "absent"
        return .putValue(
            key: try valueKey(command), value: Array(value.utf8),
            condition: try holding(command) ?? (isNew ? .ifNoneMatchAny : .none), author: .simulated)
    }

    mutating func commit(_ command: AuthorityCommand, on node: Int) -> NodeAnswer? {
        world.wait(for: world.submit(command, to: node))
    }

    func describe(_ answer: NodeAnswer?, on node: Int) -> String {
        let name = world.name(of: node)
        switch answer {
        case .refused(let refusal): return "refused on \(name): \(refusal.httpStatus) \(refusal.code)"
        case .committed(.refused(.lockHeld(let token)), _): return "refused on \(name): 409 held under token \(token)"
        case .committed(.refused(.notHolding), _): return "refused on \(name): 409 not the holder"
        case .committed(.refused(let refusal), _): return "refused on \(name): \(refusal)"
        case .committed(let reply, _): return "answered on \(name): \(reply)"
        case .readable: return "readable on \(name)"
        case nil: return "no answer on \(name) within 10s"
        }
    }

    func session(_ command: Scenario.Command) throws(ScenarioError) -> (String, NamedSession?) {
        let label = try require("session", command)
        guard let id = sessions[label] else {
            throw ScenarioError(
                line: command.line,
                reason: "no session was named '\(label)'; write 'login n1 user=ada as=\(label)' before")
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

    /// What a node proposes after it has checked a password; nil if it knows no such user.
    mutating func makeGrant(for name: UserName, on node: Int) -> SessionGrant? {
        guard let revision = user(name, on: node)?.passwordRevision else { return nil }
        return SessionGrant(
            id: SessionID.drawn(from: &random), user: name, passwordRevision: revision, node: nodes[node].id,
            refreshHash: Bytes32.drawn(from: &random), label: .simulated)
    }

    mutating func user(_ name: UserName, on node: Int) -> User? {
        nodes[node].read { $0.authority.users[name] } ?? nil
    }

    mutating func hasUsers(_ node: Int) -> Bool { nodes[node].read { !$0.authority.users.isEmpty } ?? false }
}
