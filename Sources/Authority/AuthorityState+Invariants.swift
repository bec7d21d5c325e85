import Primitives

extension AuthorityState {
    /// Traps where a table contradicts itself or another. Walks everything; tests and the simulator call it.
    package func checkInvariants() {
        if let violation { preconditionFailure("at index \(appliedIndex): \(violation)") }
    }

    /// What is wrong, or nil. Snapshots from others are held against it before they are used.
    var violation: String? {
        if let violation = clock.violation() ?? roster.violation() { return violation }
        return users.violation(limits: limits, appliedIndex: appliedIndex)
            ?? sessions.violation(users: users, limits: limits, appliedIndex: appliedIndex, now: clock.now)
            ?? apiKeys.violation(users: users, limits: limits, appliedIndex: appliedIndex)
            ?? signingKeys.violation(limits: limits, appliedIndex: appliedIndex)
            ?? values.violation(limits: limits, appliedIndex: appliedIndex)
            ?? locks.violation(limits: limits, appliedIndex: appliedIndex)
            ?? topics.violation(limits: limits, appliedIndex: appliedIndex)
            ?? clients.violation(limits: limits, appliedIndex: appliedIndex)
    }
}
