import Primitives
import Routing
import Testing

@Suite("Circuit breaker")
struct BreakerTests {
    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test("a transcript: three failures open it, after 60 s one probe decides")
    func transcript() {
        var breaker = CircuitBreaker()
        breaker.noteFailure(now: at(0))
        breaker.noteFailure(now: at(1))
        #expect(breaker.admits(now: at(1)))
        breaker.noteFailure(now: at(2))
        #expect(breaker.state == .open(until: at(62)))
        #expect(!breaker.admits(now: at(61)))
        #expect(breaker.admits(now: at(62)))
        breaker.noteStarted(now: at(62))
        #expect(!breaker.admits(now: at(63)))
        breaker.noteFailure(now: at(63))
        #expect(breaker.state == .open(until: at(123)))
        breaker.noteStarted(now: at(123))
        breaker.noteSuccess(now: at(124))
        #expect(breaker.state == .closed)
        breaker.noteFailure(now: at(125))
        #expect(breaker.state == .closed)
    }

    @Test("a success between failures starts the row anew")
    func rowIsBroken() {
        var breaker = CircuitBreaker()
        for second in Int64(0)..<3 {
            breaker.noteFailure(now: at(second))
            breaker.noteFailure(now: at(second))
            breaker.noteSuccess(now: at(second))
            #expect(breaker.state == .closed)
        }
    }

    @Test("half of at least ten outcomes in the window opens it, nine do not")
    func share() {
        var breaker = CircuitBreaker()
        for second in Int64(0)..<4 {
            breaker.noteSuccess(now: at(second))
            breaker.noteFailure(now: at(second))
        }
        breaker.noteSuccess(now: at(5))
        #expect(breaker.state == .closed)
        breaker.noteFailure(now: at(6))
        #expect(breaker.state == .open(until: at(66)))
    }

    @Test("outcomes older than the window no longer count")
    func windowSlides() {
        var breaker = CircuitBreaker()
        for second in Int64(0)..<4 {
            breaker.noteSuccess(now: at(second))
            breaker.noteFailure(now: at(second))
        }
        breaker.noteSuccess(now: at(70))
        breaker.noteFailure(now: at(71))
        #expect(breaker.state == .closed)
    }

    @Test("an abandoned probe frees its place; a silent one does after the recovery time")
    func lostProbes() {
        var breaker = CircuitBreaker()
        for _ in 0..<3 { breaker.noteFailure(now: at(0)) }
        breaker.noteStarted(now: at(60))
        #expect(!breaker.admits(now: at(61)))
        breaker.noteAbandoned()
        #expect(breaker.admits(now: at(61)))
        breaker.noteStarted(now: at(61))
        #expect(!breaker.admits(now: at(120)))
        #expect(breaker.admits(now: at(121)))
    }

    @Test("a straggler's success does not close an open breaker")
    func straggler() {
        var breaker = CircuitBreaker()
        for _ in 0..<3 { breaker.noteFailure(now: at(0)) }
        breaker.noteSuccess(now: at(1))
        #expect(breaker.state == .open(until: at(60)))
    }
}

@Suite("Token bucket")
struct TokenBucketTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    @Test("a transcript: a burst empties it, time refills it up to its capacity")
    func transcript() {
        var bucket = TokenBucket(capacity: 3, perSecond: 2, now: at(0))
        #expect([1, 2, 3, 4].map { _ in bucket.take(now: at(0)) } == [true, true, true, false])
        #expect(bucket.delay(now: at(0)) == .milliseconds(500))
        let early = bucket.take(now: at(499))
        #expect(!early)
        let onTime = bucket.take(now: at(500))
        #expect(onTime)
        #expect(bucket.available(now: at(60_000)) == 3)
        let tooMany = bucket.take(4, now: at(60_000))
        #expect(!tooMany)
        #expect(bucket.available(now: at(60_000)) == 3)
        #expect(bucket.delay(4, now: at(60_000)) == nil)
    }

    @Test("a clock that steps back gives nothing and takes nothing")
    func backwards() {
        var bucket = TokenBucket(capacity: 1, perSecond: 1, now: at(10_000))
        let first = bucket.take(now: at(10_000))
        let back = bucket.take(now: at(0))
        let later = bucket.take(now: at(11_000))
        #expect((first, back, later) == (true, false, true))
    }

    @Test("over any stretch no more passes than capacity plus rate times time")
    func bound() {
        var random = SeededRandom(seed: 3)
        var bucket = TokenBucket(capacity: 5, perSecond: 7, now: at(0))
        var passed = 0
        var now: Int64 = 0
        for _ in 0..<10_000 {
            now += Int64(random.below(60))
            if bucket.take(now: at(now)) { passed += 1 }
            #expect(passed * 1000 <= 5 * 1000 + Int(now) * 7)
        }
        #expect(passed * 1000 > Int(now) * 7 * 9 / 10)
    }
}
