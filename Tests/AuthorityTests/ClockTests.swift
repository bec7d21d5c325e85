import Authority
import Primitives
import Testing

@Test("unknown before the first anchor, Unix time runs with log time after it")
func anchoring() {
    var log = TestLog()
    log.wait(.seconds(3))
    #expect(log.state.clock.unix(at: log.time) == nil)
    #expect(log.apply(.anchorClock(TestLog.epoch)) == .done)
    #expect(log.state.clock.unixNow == TestLog.epoch)
    #expect(log.state.clock.unix(at: LogTime(milliseconds: 10_000)) == TestLog.epoch + .seconds(7))
}

@Test("an anchor steps forward only, so it expires earlier and never revives")
func forwardOnly() {
    var log = TestLog.started()
    log.signIn("root", session: 1)
    log.wait(.seconds(100))
    #expect(log.apply(.anchorClock(TestLog.epoch + .seconds(99))) == .refused(.clockNotAhead))
    #expect(log.apply(.anchorClock(TestLog.epoch + .seconds(100))) == .refused(.clockNotAhead))
    #expect(log.state.clock.unixNow == TestLog.epoch + .seconds(100))
    #expect(log.apply(.anchorClock(TestLog.epoch + .seconds(604_800))) == .done)
    #expect(log.apply(.expireSessions) == .sessionsEnded(1))
    #expect(log.apply(.anchorClock(TestLog.epoch)) == .refused(.clockNotAhead))
}

@Test("a step of the anchor does not shorten the time to retry a lost refresh")
func retryWindowIsLogTime() {
    var log = TestLog.started()
    log.signIn("root", session: 1)
    log.refresh(1, presented: 1, successor: 2)
    log.apply(.anchorClock(TestLog.epoch + .seconds(3600)))
    #expect(log.refresh(1, presented: 1, successor: 3).sealedSuccessor == [2, 2])
}

@Test(
    "an implausible anchor is refused",
    arguments: [
        Int64.min, -1, 0, 1_577_836_799_999, 7_258_118_400_001, .max,
    ])
func implausible(milliseconds: Int64) {
    var log = TestLog()
    #expect(log.apply(.anchorClock(UnixTime(milliseconds: milliseconds))) == .refused(.malformed))
    #expect(log.state.clock.anchor == nil)
}

@Test("an entry whose time runs backwards counts as simultaneous, and one from the far end of time does no harm")
func oddTimes() {
    var log = TestLog.started()
    log.wait(.seconds(10))
    log.apply(.expireSessions)
    log.time = LogTime(milliseconds: -5)
    log.apply(.expireSessions)
    #expect(log.state.clock.now == LogTime(milliseconds: 10_000))
    log.time = LogTime(milliseconds: .max)
    log.apply(.expireSessions)
    #expect(log.signIn("root", session: 1).isGranted)
    #expect(log.state.clock.unix(at: log.time) == log.state.clock.unixNow)
}
