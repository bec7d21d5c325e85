import HashTreeCollections
import Primitives

/// Who holds a lock: drawn by the client for one attempt, so that a repeated attempt is recognised.
package typealias LockHolder = Identifier<Lock>

/// A lock as it was last granted.
package struct Lock: Hashable, Sendable {
    package static let lifetimes: ClosedRange<Duration> = .milliseconds(100)...(.seconds(86_400))

    package let holder: LockHolder
    /// The fencing token: the index of the entry that granted it. Later grants have greater ones, for ever.
    package let token: LogIndex
    /// In log time, which stands still without a leader and goes on with the next: a failover neither ends a lock nor
    /// starts its lifetime anew.
    package let expiresAt: LogTime
}

/// Locks that end by themselves, and tokens that tell a late holder from the current one.
///
/// The intuition (Gray and Cheriton's leases, SOSP 1989; fencing after Kleppmann): no lock can stop a holder that
/// sleeps past its lifetime from waking up and acting. So each grant has a number that grows, and whatever the holder does
/// carries it: `ValueCondition.ifHolding` refuses a number that is not the current one.
///
///     free --acquire--> held(token) --renew--> held(token, later)
///      ^                  |  |
///      +--release, expiry-+  +--acquire by another after its expiry--> held(greater token)
package struct LockTable: Equatable, Sendable {
    private var locks: TreeDictionary<LockName, Lock> = [:]

    package init() {}

    package var count: Int { locks.count }
    /// The lock as granted, even if it has expired and nobody has removed it: compare `expiresAt`.
    package subscript(name: LockName) -> Lock? { locks[name] }
    /// Ascending by name, from after `after`. What has expired and was not removed yet is among them.
    package func list(after: LockName? = nil, limit: Int) -> [(name: LockName, lock: Lock)] {
        let names = locks.keys.filter { name in after.map { $0 < name } ?? true }.sorted().prefix(limit)
        return names.compactMap { name in locks[name].map { (name, $0) } }
    }

    /// Whether `AuthorityCommand.expireLocks` would remove any. Walks the table.
    package func hasExpired(at time: LogTime) -> Bool { locks.values.contains { $0.expiresAt <= time } }

    /// The token that counts at `now`; nil if the lock is free.
    package func token(of name: LockName, at now: LogTime) -> LogIndex? {
        locks[name].flatMap { $0.expiresAt > now ? $0.token : nil }
    }

    /// A repeated attempt of the holder gets its grant again, unchanged: asking twice prolongs nothing.
    mutating func acquire(
        _ request: LockRequest, at index: LogIndex, now: LogTime, limits: AuthorityLimits
    ) -> AuthorityReply {
        guard Lock.lifetimes.contains(request.lifetime) else { return .refused(.malformed) }
        let old = locks[request.name]
        if let old, old.expiresAt > now, !planted(.heldLockGranted) {
            return old.holder == request.holder ? .locked(old) : .refused(.lockHeld(token: old.token))
        }
        guard old != nil || locks.count < limits.locks else { return .refused(.limitReached) }
        let lock = Lock(
            holder: request.holder, token: planted(.fencingTokenReused) ? old?.token ?? index : index,
            expiresAt: now + request.lifetime)
        locks[request.name] = lock
        return .locked(lock)
    }

    mutating func renew(_ name: LockName, token: LogIndex, lifetime: Duration, now: LogTime) -> AuthorityReply {
        guard Lock.lifetimes.contains(lifetime) else { return .refused(.malformed) }
        guard let old = locks[name], self.token(of: name, at: now) == token || planted(.renewalIgnoresToken) else {
            return .refused(.notHolding)
        }
        let lock = Lock(holder: old.holder, token: token, expiresAt: max(old.expiresAt, now + lifetime))
        locks[name] = lock
        return .locked(lock)
    }

    mutating func release(_ name: LockName, token: LogIndex) -> AuthorityReply {
        guard locks[name]?.token == token || planted(.releaseIgnoresToken) else { return .refused(.notHolding) }
        locks[name] = nil
        return .done
    }

    /// Removes what has expired by the time of this entry, and nothing else, however late the entry commits.
    mutating func expire(now: LogTime) -> AuthorityReply {
        for (name, lock) in locks where lock.expiresAt <= now { locks[name] = nil }  // each is judged by itself
        return .done
    }

    /// What is wrong with the table, or nil.
    func violation(limits: AuthorityLimits, appliedIndex: LogIndex) -> String? {
        guard locks.count <= limits.locks else { return "\(locks.count) locks exceed \(limits.locks)" }
        let tokens = locks.values.map(\.token).sorted()
        guard zip(tokens, tokens.dropFirst()).allSatisfy({ $0 < $1 }) else { return "two locks have one token" }
        return tokens.last ?? .zero <= appliedIndex ? nil : "a lock is newer than the log at \(appliedIndex)"
    }
}

extension LockTable {
    func encode(into writer: inout ByteWriter) {
        writer.writeArray(locks.sorted { $0.key < $1.key }) { writer, entry in
            writer.write(entry.key)
            entry.value.encode(into: &writer)
        }
    }

    init(from reader: inout ByteReader, limits: AuthorityLimits) throws(DecodeError) {
        self.init()
        var last: LockName?
        for _ in 0..<(try reader.readCount(limit: limits.locks)) {
            let name = try reader.readText(LockName.self)
            try requireAscending(name, after: &last)
            locks[name] = try Lock(from: &reader)
        }
    }
}

extension Lock {
    func encode(into writer: inout ByteWriter) {
        writer.write(holder)
        writer.write(token)
        writer.write(expiresAt)
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        self.init(
            holder: try reader.readIdentifier(of: Lock.self), token: try reader.readLogIndex(),
            expiresAt: try reader.readLogTime())
    }
}
