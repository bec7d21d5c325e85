import Authority
import NodeCore
import Primitives

/// The clients that use locks: each lock guards one value, which is written under the lock's token.
struct LockClients: Sendable {
    static let lockCount = 3
    /// Holders that are remembered, current or not: a late one must be refused.
    static let holdersMax = 12

    let names: [LockName]
    let guarded: [ValueKey]
    var held: [HeldLock] = []
    var checker = LockChecker()

    init() {
        names = (0..<Self.lockCount).map { number in
            guard let name = LockName("lock-\(number)") else { preconditionFailure("lock-\(number) is no name") }
            return name
        }
        guarded = (0..<Self.lockCount).map { number in
            guard let key = ValueKey("guarded-\(number)") else { preconditionFailure("guarded-\(number) is no key") }
            return key
        }
    }
}

/// What a holder knows.
struct HeldLock: Hashable, Sendable {
    let lock: Int
    let token: LogIndex
}

extension ClientWorkload {
    /// Takes a lock, or does something under a token that was granted once: a holder that slept does not know that its
    /// time is over.
    mutating func useLock(on node: Int, _ world: inout World) {
        let holder = random.element(of: locks.held)
        switch random.below(6) {
        case 0, 1: acquire(on: node, &world)
        case 2: if let holder { renew(holder, on: node, &world) } else { acquire(on: node, &world) }
        case 3: if let holder { release(holder, on: node, &world) } else { acquire(on: node, &world) }
        default: if let holder { writeGuarded(holder, on: node, &world) } else { acquire(on: node, &world) }
        }
    }

    private mutating func drawLifetime() -> Duration { .milliseconds(200 + 100 * random.below(60)) }

    private mutating func acquire(on node: Int, _ world: inout World) {
        let lock = random.below(LockClients.lockCount)
        let lifetime = drawLifetime()
        let request = LockRequest(
            name: locks.names[lock], holder: LockHolder(high: random.next(), low: random.next()), lifetime: lifetime)
        ask(.acquire(lock: lock, lifetime: lifetime), world.submit(.acquireLock(request), to: node), world)
        if strikes(habits.duplicatePerMille, .duplicateRequest, &world), let other = awakeNode(world) {
            ask(.acquire(lock: lock, lifetime: lifetime), world.submit(.acquireLock(request), to: other), world)
        }
    }

    mutating func noteAcquired(
        _ lock: Int, lifetime: Duration, _ answered: Answered?, asked: Instant, _ world: inout World
    ) {
        guard let answered, case .committed(.locked(let granted), let index) = answered.answer else { return }
        if locks.held.count == LockClients.holdersMax { locks.held.removeFirst() }
        locks.held.append(HeldLock(lock: lock, token: granted.token))
        // A repeated request is answered with the grant of the first, which was made earlier and ends earlier. (A token
        // that is not the index of any entry of its holder's shows in `noteGranted`, whichever comes first.)
        guard index == granted.token || !locks.checker.knows(locks.names[lock], granted.token, granted.holder) else {
            return
        }
        report(
            locks.checker.noteGranted(
                locks.names[lock], token: granted.token, holder: granted.holder, asked: asked, answered: answered.at,
                lifetime: lifetime), &world)
    }

    private mutating func renew(_ held: HeldLock, on node: Int, _ world: inout World) {
        let lifetime = drawLifetime()
        let command = AuthorityCommand.renewLock(name: locks.names[held.lock], token: held.token, lifetime: lifetime)
        ask(.renew(held, lifetime: lifetime), world.submit(command, to: node), world)
    }

    mutating func noteRenewed(
        _ held: HeldLock, lifetime: Duration, _ answered: Answered?, asked: Instant, _ world: inout World
    ) {
        guard case .committed(.locked(let lock), _)? = answered?.answer else { return }
        let found = locks.checker.noteRenewed(
            locks.names[held.lock], token: held.token, prolonged: lock, asked: asked, lifetime: lifetime)
        report(found, &world)
    }

    private mutating func release(_ held: HeldLock, on node: Int, _ world: inout World) {
        locks.checker.noteReleasing(locks.names[held.lock], token: held.token)
        let command = AuthorityCommand.releaseLock(name: locks.names[held.lock], token: held.token)
        ask(.release, world.submit(command, to: node), world)
    }

    private mutating func writeGuarded(_ held: HeldLock, on node: Int, _ world: inout World) {
        let command = AuthorityCommand.putValue(
            key: locks.guarded[held.lock], value: ValueClients.encode(values.takeNumber(), padding: 0),
            condition: .ifHolding(locks.names[held.lock], token: held.token), author: .simulated)
        ask(.guardedWrite(held), world.submit(command, to: node), world)
    }

    mutating func noteGuardedWrite(_ held: HeldLock, _ answered: Answered?, _ world: inout World) {
        // The revision, not the entry that was answered for: that may be a repeat of the one that took effect.
        guard case .committed(.stored(let revision, _), _)? = answered?.answer else { return }
        report(locks.checker.noteAct(locks.names[held.lock], token: held.token, at: revision), &world)
    }

    private func report(_ found: String?, _ world: inout World) {
        if let found { world.report(found) }
    }
}
