import Authority
import Primitives
import Testing

@Suite struct LockTests {
    private func started() -> TestLog {
        var log = TestLog.started()
        log.state.raise(to: .locks)
        return log
    }

    private func acquire(_ holder: UInt64, _ lifetime: Duration = .seconds(10)) -> AuthorityCommand {
        .acquireLock(LockRequest(name: "gpu", holder: LockHolder(high: 0, low: holder), lifetime: lifetime))
    }

    @Test("Authority: the fencing token is the index of the entry that granted the lock")
    func token() {
        var log = started()
        let reply = log.apply(acquire(1))
        #expect(log.state.locks["gpu"].map { .locked($0) } == reply)
        #expect(log.state.locks["gpu"]?.token == log.index)
        #expect(log.apply(acquire(2)) == .refused(.lockHeld(token: log.state.locks["gpu"]!.token)))
    }

    @Test("asking again as the same holder gives the same grant and prolongs nothing")
    func repeated() {
        var log = started()
        let reply = log.apply(acquire(1))
        log.wait(.seconds(4))
        #expect(log.apply(acquire(1)) == reply)
    }

    @Test("a lock is free from the moment it expires, whether or not anybody removed it")
    func expiry() {
        var log = started()
        log.apply(acquire(1))
        let first = log.state.locks["gpu"]!.token
        log.wait(.milliseconds(9_999))
        #expect(log.apply(acquire(2)) == .refused(.lockHeld(token: first)))
        log.wait(.milliseconds(1))
        log.apply(acquire(2))
        #expect(log.state.locks["gpu"]!.token > first)
    }

    @Test("expiry is guarded: an entry removes what has expired by its own time, and nothing prolonged meanwhile")
    func guardedExpiry() {
        var log = started()
        log.apply(acquire(1))
        let token = log.state.locks["gpu"]!.token
        log.wait(.seconds(9))
        log.apply(.renewLock(name: "gpu", token: token, lifetime: .seconds(10)))
        log.wait(.seconds(5))
        log.apply(.expireLocks)
        #expect(log.state.locks["gpu"]?.token == token)
        log.wait(.seconds(5))
        log.apply(.expireLocks)
        #expect(log.state.locks["gpu"] == nil)
        #expect(log.apply(.renewLock(name: "gpu", token: token, lifetime: .seconds(10))) == .refused(.notHolding))
    }

    @Test("a holder that comes late prolongs nothing, least of all the lock that another holds by now")
    func lateRenewal() {
        var log = started()
        log.apply(acquire(1))
        let stale = log.state.locks["gpu"]!.token
        log.wait(.seconds(11))
        #expect(log.apply(.renewLock(name: "gpu", token: stale, lifetime: .seconds(10))) == .refused(.notHolding))
        log.apply(acquire(2))
        let held = log.state.locks["gpu"]
        #expect(log.apply(.renewLock(name: "gpu", token: stale, lifetime: .seconds(60))) == .refused(.notHolding))
        #expect(log.state.locks["gpu"] == held)
    }

    @Test("case 30: a holder that sleeps past its lifetime, wakes and writes is rejected by its fencing token")
    func fencing() {
        var log = started()
        log.apply(acquire(1))
        let stale = log.state.locks["gpu"]!.token
        let reply = log.apply(.put("k", "a", if: .ifHolding("gpu", token: stale)))
        #expect(reply == .stored(revision: log.index, created: true))
        log.wait(.seconds(11))
        #expect(log.apply(.put("k", "b", if: .ifHolding("gpu", token: stale))) == .refused(.notHolding), "expired")
        log.apply(acquire(2))
        let current = log.state.locks["gpu"]!.token
        #expect(log.apply(.put("k", "c", if: .ifHolding("gpu", token: stale))) == .refused(.notHolding), "another's")
        #expect(log.apply(.deleteValue(key: "k", condition: .ifHolding("gpu", token: stale))) == .refused(.notHolding))
        log.apply(.put("k", "d", if: .ifHolding("gpu", token: current)))
        #expect(log.state.values["k"]?.bytes == Array("d".utf8))
    }

    @Test("release needs the token, and frees at once")
    func release() {
        var log = started()
        log.apply(acquire(1))
        let token = log.state.locks["gpu"]!.token
        #expect(log.apply(.releaseLock(name: "gpu", token: token.next)) == .refused(.notHolding))
        #expect(log.apply(.releaseLock(name: "gpu", token: token)) == .done)
        log.apply(acquire(2))
        #expect(log.state.locks["gpu"]!.token > token)
    }

    @Test("lifetimes are bounded, and the table is")
    func bounds() {
        var limits = AuthorityLimits()
        limits.locks = 1
        var log = TestLog.started(limits: limits)
        log.state.raise(to: .locks)
        for lifetime in [Duration.milliseconds(99), .seconds(86_401), .zero] {
            #expect(log.apply(acquire(1, lifetime)) == .refused(.malformed))
        }
        log.apply(acquire(1))
        let other = LockRequest(name: "other", holder: LockHolder(high: 0, low: 3), lifetime: .seconds(1))
        #expect(log.apply(.acquireLock(other)) == .refused(.limitReached))
    }

    @Test("locks survive a snapshot")
    func snapshot() throws {
        var log = started()
        log.apply(acquire(1))
        let copy = try AuthoritySnapshot.decode(AuthoritySnapshot.encode(log.state))
        #expect(copy.locks == log.state.locks && copy.featureLevel == .locks)
    }

    @Test("Versions: below its level a command has the effect and the reply it has on a program that does not know it")
    func gate() {
        var old = TestLog.started()
        var unknown = old
        let before = old.state.digest()
        #expect(old.apply(acquire(1)) == .refused(.malformed))
        // What a program of level 0 sees: a tag that it does not know.
        unknown.sequence += 1
        var bytes = unknown.envelope(acquire(1), sequence: unknown.sequence)
        let tag = bytes.count - acquire(1).encodedCount
        bytes[tag] = 200
        #expect(unknown.applyEnvelope(bytes).reply == .refused(.malformed))
        #expect(old.state.digest() == unknown.state.digest() && old.state.digest() != before)
        #expect(old.apply(.put("k", "v", if: .ifHolding("gpu", token: .zero))) == .refused(.malformed))
        old.state.raise(to: .locks)
        #expect(old.apply(acquire(1)) == .locked(old.state.locks["gpu"]!))
    }
}

extension AuthorityCommand {
    fileprivate var encodedCount: Int {
        var writer = ByteWriter()
        encode(into: &writer)
        return writer.bytes.count
    }
}
