import Authority
import NodeCore
import Primitives

// Locks with fencing tokens, as their holders meet them.
extension ScenarioRunner {
    /// A lock that a client of the story was granted.
    struct NamedLock: Sendable {
        let name: LockName
        let token: LogIndex
    }

    /// `lock n1 name=gpu ttl=10s as=L1`: asks once.
    mutating func lock(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        let name = try lockName(command)
        let request = LockRequest(
            name: name, holder: LockHolder(high: world.random.next(), low: world.random.next()),
            lifetime: try span(command.option("ttl"), command))
        let answer = commit(.acquireLock(request), on: node)
        guard case .committed(.locked(let lock), _) = answer else { return [describe(answer, on: node)] }
        if let label = command.option("as") { locks[label] = NamedLock(name: name, token: lock.token) }
        return ["\(name) locked on \(world.name(of: node)), token \(lock.token)"]
    }

    /// `renew n1 lock=L1 ttl=10s`.
    mutating func renew(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        let lock = try heldLock(command)
        let lifetime = try span(command.option("ttl"), command)
        let answer = commit(.renewLock(name: lock.name, token: lock.token, lifetime: lifetime), on: node)
        guard case .committed(.locked, _) = answer else { return [describe(answer, on: node)] }
        return ["\(lock.name) renewed on \(world.name(of: node))"]
    }

    /// `unlock n1 lock=L1`.
    mutating func unlock(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        let lock = try heldLock(command)
        let answer = commit(.releaseLock(name: lock.name, token: lock.token), on: node)
        guard case .committed(.done, _) = answer else { return [describe(answer, on: node)] }
        return ["\(lock.name) released on \(world.name(of: node))"]
    }

    /// `locks n2`: what is locked there, and for how much longer, in tenths of a second.
    mutating func heldLocks(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        guard let view = world.view(of: node) else { return ["\(world.name(of: node)) is down"] }
        let held = view.authority.locks.list(limit: 100).filter { $0.lock.expiresAt > view.logTime }
        if held.isEmpty { return ["nothing is locked, as \(view.name) has it"] }
        return held.map { name, lock in
            let tenths = ((lock.expiresAt - view.logTime).inMilliseconds + 99) / 100
            return
                "\(name) is locked under token \(lock.token) for another \(tenths / 10).\(tenths % 10)s, as \(view.name) has it"
        }
    }

    /// The condition of `put ... holding=L1`.
    func holding(_ command: Scenario.Command) throws(ScenarioError) -> ValueCondition? {
        guard command.option("holding") != nil else { return nil }
        let lock = try heldLock(command, as: "holding")
        return .ifHolding(lock.name, token: lock.token)
    }

    private func lockName(_ command: Scenario.Command) throws(ScenarioError) -> LockName {
        let text = try require("name", command)
        guard let name = LockName(text) else { throw ScenarioError(line: command.line, reason: "'\(text)' is no name") }
        return name
    }

    private func heldLock(_ command: Scenario.Command, as key: String = "lock") throws(ScenarioError) -> NamedLock {
        let label = try require(key, command)
        guard let lock = locks[label] else {
            throw ScenarioError(
                line: command.line,
                reason: "no lock was named '\(label)'; write 'lock n1 name=gpu ttl=10s as=\(label)' before")
        }
        return lock
    }
}
