import Authority
import Primitives

/// What clients were told about locks, held against what a lock promises.
///
/// - *Fencing*: tokens grow with the log, so nothing that is done under a token may come after the entry that granted a
///   greater one (`AuthorityCommand.putValue` with `.ifHolding`).
/// - *Mutual exclusion*: as long as a holder's lifetime runs, nobody else is granted the lock, unless the holder asked for
///   its release. Log time runs no faster than the fastest clock, which is off by less than a tenth.
package struct LockChecker: Sendable {
    private struct Grant: Sendable {
        let token: LogIndex
        let holder: LockHolder
        /// By true time: not over before this, unless it was released.
        var heldUntil: Instant
        var mayBeReleased = false
    }

    private struct Act: Sendable {
        let index: LogIndex
        let token: LogIndex
    }

    /// By lock, ascending by token.
    private var grants: [LockName: [Grant]] = [:]
    private var acts: [LockName: [Act]] = [:]

    package init() {}

    func knows(_ name: LockName, _ token: LogIndex, _ holder: LockHolder) -> Bool {
        (grants[name] ?? []).contains { $0.token == token && $0.holder == holder }
    }

    /// The lock was granted at an entry that cannot be older than `asked`. Returns what is wrong, or nil.
    package mutating func noteGranted(
        _ name: LockName, token: LogIndex, holder: LockHolder, asked: Instant, answered: Instant, lifetime: Duration
    ) -> String? {
        let grant = Grant(token: token, holder: holder, heldUntil: asked + lifetime * 9 / 10)
        var all = grants[name] ?? []
        let place = all.firstIndex { $0.token >= token } ?? all.count
        if place < all.count, all[place].token == token {
            return all[place].holder == holder ? nil : "mutual exclusion: \(name) is held twice under token \(token)"
        }
        all.insert(grant, at: place)
        grants[name] = all
        if place > 0, !all[place - 1].mayBeReleased, answered < all[place - 1].heldUntil {
            return
                "mutual exclusion: \(name) was granted under \(token) while it was held under \(all[place - 1].token)"
        }
        return (acts[name] ?? []).lazy.compactMap { Self.fence($0, name, all) }.first
    }

    /// The holder asks for its release: from now on it may be free at any time.
    package mutating func noteReleasing(_ name: LockName, token: LogIndex) {
        for place in (grants[name] ?? []).indices where grants[name]?[place].token == token {
            grants[name]?[place].mayBeReleased = true
        }
    }

    /// A renewal that was asked for then took effect, and left the lock as `prolonged`. At which entry is not known: the
    /// answer may be that of a repeat.
    package mutating func noteRenewed(
        _ name: LockName, token: LogIndex, prolonged: Lock, asked: Instant, lifetime: Duration
    ) -> String? {
        guard prolonged.token == token else {
            return "fencing: \(name) was renewed under \(token) though it was held under \(prolonged.token)"
        }
        for place in (grants[name] ?? []).indices where grants[name]?[place].token == token {
            let until = max(grants[name]?[place].heldUntil ?? .zero, asked + lifetime * 9 / 10)
            grants[name]?[place].heldUntil = until
        }
        return nil
    }

    /// Something took effect at `index` because the lock was held under `token`.
    package mutating func noteAct(_ name: LockName, token: LogIndex, at index: LogIndex) -> String? {
        let act = Act(index: index, token: token)
        acts[name, default: []].append(act)
        return Self.fence(act, name, grants[name] ?? [])
    }

    private static func fence(_ act: Act, _ name: LockName, _ grants: [Grant]) -> String? {
        guard let newer = grants.first(where: { $0.token > act.token && $0.token < act.index }) else { return nil }
        return "fencing: \(name) acted under \(act.token) at \(act.index), after it was granted under \(newer.token)"
    }
}
