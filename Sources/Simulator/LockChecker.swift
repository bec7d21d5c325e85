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

    /// Ascending by token. What is new is near the end, so it is looked for from there.
    private struct Story: Sendable {
        var grants: [Grant] = []
        /// Ascending by index.
        var acts: [Act] = []

        func place(of token: LogIndex) -> Int? {
            let place = grants.lastIndex { $0.token <= token }
            return place.flatMap { grants[$0].token == token ? $0 : nil }
        }
    }

    private var stories: [LockName: Story] = [:]

    package init() {}

    func knows(_ name: LockName, _ token: LogIndex, _ holder: LockHolder) -> Bool {
        guard let story = stories[name], let place = story.place(of: token) else { return false }
        return story.grants[place].holder == holder
    }

    /// The lock was granted at an entry that cannot be older than `asked`. Returns what is wrong, or nil.
    package mutating func noteGranted(
        _ name: LockName, token: LogIndex, holder: LockHolder, asked: Instant, answered: Instant, lifetime: Duration
    ) -> String? {
        let grant = Grant(token: token, holder: holder, heldUntil: asked + lifetime * 9 / 10)
        let before = stories[name]?.grants.last { $0.token <= token }
        if let before, before.token == token {
            return before.holder == holder ? nil : "mutual exclusion: \(name) is held twice under token \(token)"
        }
        insert(grant, name)
        if let before, !before.mayBeReleased, answered < before.heldUntil {
            return "mutual exclusion: \(name) was granted under \(token) while it was held under \(before.token)"
        }
        let act = stories[name]?.acts.last { $0.token < token || $0.index <= token }
        return act.flatMap { Self.fence($0, name, by: token) }
    }

    private mutating func insert(_ grant: Grant, _ name: LockName) {
        let place = stories[name]?.grants.lastIndex { $0.token < grant.token }.map { $0 + 1 } ?? 0
        stories[name, default: Story()].grants.insert(grant, at: place)
    }

    /// The holder asks for its release: from now on it may be free at any time.
    package mutating func noteReleasing(_ name: LockName, token: LogIndex) {
        guard let place = stories[name]?.place(of: token) else { return }
        stories[name]?.grants[place].mayBeReleased = true
    }

    /// A renewal that was asked for then took effect, and left the lock as `prolonged`. At which entry is not known: the
    /// answer may be that of a repeat.
    package mutating func noteRenewed(
        _ name: LockName, token: LogIndex, prolonged: Lock, asked: Instant, lifetime: Duration
    ) -> String? {
        guard prolonged.token == token else {
            return "fencing: \(name) was renewed under \(token) though it was held under \(prolonged.token)"
        }
        guard let place = stories[name]?.place(of: token) else { return nil }
        let until = max(stories[name]?.grants[place].heldUntil ?? .zero, asked + lifetime * 9 / 10)
        stories[name]?.grants[place].heldUntil = until
        return nil
    }

    /// Something took effect at `index` because the lock was held under `token`.
    package mutating func noteAct(_ name: LockName, token: LogIndex, at index: LogIndex) -> String? {
        let act = Act(index: index, token: token)
        let place = stories[name]?.acts.lastIndex { $0.index < index }.map { $0 + 1 } ?? 0
        stories[name, default: Story()].acts.insert(act, at: place)
        let before = stories[name]?.grants.last { $0.token < index }
        return before.flatMap { Self.fence(act, name, by: $0.token) }
    }

    private static func fence(_ act: Act, _ name: LockName, by token: LogIndex) -> String? {
        guard act.token < token, token < act.index else { return nil }
        return "fencing: \(name) acted under \(act.token) at \(act.index), after it was granted under \(token)"
    }
}
