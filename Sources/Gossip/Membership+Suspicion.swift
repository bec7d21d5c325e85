import Primitives

// From doubt to verdict: accusations, confirmations, the countdown, and the two cases in which none is given.

extension Membership {
    /// Our own probe failed: accuse in person.
    mutating func accuse(_ index: Int, now: Instant, into effects: inout [GossipEffect]) {
        if table.rows[index].member.state == .alive {
            change(index, to: .suspect, at: table.rows[index].member.incarnation, now: now, into: &effects)
        }
        if addAccuser(id, to: index) { spread(index, isUrgent: true, now: now) }
    }

    /// Notes an accuser by its own word. Returns true if it is new.
    mutating func addAccuser(_ accuser: NodeID, to index: Int) -> Bool {
        guard table.rows[index].suspicion?.add(accuser: accuser) == true else { return false }
        setVerdictDeadline(of: index)
        return true
    }

    func hasAccused(_ index: Int) -> Bool { table.rows[index].suspicion?.accusers.contains(id) ?? false }

    /// Starts the countdown anew and keeps the accusers: what they saw, they saw.
    mutating func restartSuspicion(of index: Int, now: Instant) {
        table.rows[index].suspicion?.startedAt = now
        setVerdictDeadline(of: index)
    }

    /// A state changed somewhere, and with it who counts as an accuser and who can be expected to confirm.
    mutating func reviewSuspicions() {
        for index in table.attendedIndices where table.rows[index].suspicion != nil {
            setVerdictDeadline(of: index)
        }
    }

    mutating func tickSuspicions(now: Instant, into effects: inout [GossipEffect]) {
        for index in table.attendedIndices {
            guard let suspicion = table.rows[index].suspicion, suspicion.deadline <= now else { continue }
            let isPatient = config.parts.contains(.patience)
            if isPatient, isHeardUnderSuspicion(index) {
                restartSuspicion(of: index, now: now)
            } else if !isPatient || hasHeardAnother(than: index, since: suspicion.startedAt) {
                counters.verdicts += 1
                change(index, to: .dead, at: table.rows[index].member.incarnation, now: now, into: &effects)
                spread(index, isUrgent: true, now: now)
            } else {
                counters.verdictsWithheld += 1
                table.rows[index].suspicion?.deadline = now + config.probeTimeoutFloor
            }
        }
    }

    /// Whether a suspect itself was heard since the countdown began: it lives, whatever it does not answer.
    func isHeardUnderSuspicion(_ index: Int) -> Bool {
        guard let suspicion = table.rows[index].suspicion, let heardAt = table.rows[index].heardAt else { return false }
        return heardAt > suspicion.startedAt
    }

    /// Whether the world outside reached us since: only then another's silence says something about the other.
    private func hasHeardAnother(than index: Int, since start: Instant) -> Bool {
        table.indices.contains { other in
            guard other != index, let heardAt = table.rows[other].heardAt else { return false }
            return heardAt >= start
        }
    }

    private mutating func setVerdictDeadline(of index: Int) {
        guard let suspicion = table.rows[index].suspicion else { return }
        let counted = suspicion.accusers.count { accuser in
            table.index(of: accuser).map { table.rows[$0].member.state == .alive } ?? false
        }
        // Every unsuspected other could confirm what the first of us said.
        let expected = table.aliveCount - 1
        let (least, most) = suspicionBounds
        let span = Suspicion.timeout(min: least, max: most, confirmations: max(0, counted - 1), expected: expected)
        table.rows[index].suspicion?.deadline = suspicion.startedAt + span
    }

    private var suspicionBounds: (Duration, Duration) {
        if isSmall {
            let least = config.smallMeshSuspicionMin * health.multiplier
            return (least, max(least, config.smallMeshSuspicionMax))
        }
        let least =
            config.suspicionMin * health.multiplier * max(1000, Self.logarithmPermille(table.liveCount)) / 1000
        return (least, least * config.suspicionMaxMultiplier)
    }

    /// 1000 * log10(n), piecewise linear between powers of two, in integers.
    static func logarithmPermille(_ n: Int) -> Int {
        precondition(n > 0, "logarithm of \(n)")
        let exponent = Int.bitWidth - 1 - n.leadingZeroBitCount
        let power = 1 << exponent
        return (exponent * 1000 + (n - power) * 1000 / power) * 301 / 1000
    }
}
