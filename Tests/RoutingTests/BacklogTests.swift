import Primitives
import Routing
import Testing

@Suite("Backlog: what is at a backend now")
struct BacklogTests {
    private func at(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }
    private func report(running: Int, queued: Int = 0, admitted: UInt64 = 0) -> BackendReport {
        BackendReport(name: "b", kind: .openai, slots: 4, running: running, queued: queued, admitted: admitted)
    }

    @Test("own requests that a report covers are not counted twice")
    func notTwice() {
        var backlog = Backlog()
        backlog.note(report(running: 0), measuredAt: at(0))
        backlog.noteSent(number: 1, now: at(1))
        backlog.noteSent(number: 2, now: at(2))
        // Measured between the two: shows the first and one of somebody else.
        backlog.note(report(running: 2, admitted: 2), measuredAt: at(1.5))
        #expect(backlog.ownInFlight == 2)
        #expect(abs(backlog.expectedRequests(now: at(1.5), serviceSeconds: 1000) - 3) < 0.5)
        backlog.checkInvariants()
    }

    @Test("own requests that ended after the report was taken are not counted at all")
    func endedSince() {
        var backlog = Backlog()
        backlog.noteSent(number: 1, now: at(0))
        backlog.noteEnded(number: 1, now: at(2))
        backlog.note(report(running: 1, admitted: 1), measuredAt: at(1))
        #expect(backlog.expectedRequests(now: at(2), serviceSeconds: 1000) == 0)
    }

    @Test("others' requests fade at the pace of service")
    func fading() {
        var backlog = Backlog()
        backlog.note(report(running: 4), measuredAt: at(0))
        #expect(backlog.expectedRequests(now: at(0), serviceSeconds: 2) == 4)
        let later = backlog.expectedRequests(now: at(2), serviceSeconds: 2)
        #expect(later > 1.4 && later < 1.8)
        #expect(backlog.expectedRequests(now: at(60), serviceSeconds: 2) < 0.05)
    }

    @Test("others' arrivals are expected to go on at the pace of the counter")
    func arrivals() {
        var backlog = Backlog()
        for second in 0..<60 {
            backlog.note(report(running: 2, admitted: UInt64(second * 3)), measuredAt: at(Double(second)))
        }
        let expected = backlog.expectedRequests(now: at(59.5), serviceSeconds: 1000)
        #expect(abs(expected - 3.5) < 0.1)
    }

    @Test("a burst of ours is taken to be everyone's, if it always was")
    func sharedBursts() {
        var backlog = Backlog()
        backlog.note(report(running: 0, admitted: 0), measuredAt: at(0))
        var number: UInt64 = 0
        var admitted: UInt64 = 0
        for second in 1...20 {
            number += 1
            admitted += 4
            backlog.noteSent(number: number, now: at(Double(second) - 0.5))
            backlog.noteEnded(number: number, now: at(Double(second) - 0.1))
            backlog.note(report(running: 0, admitted: admitted), measuredAt: at(Double(second)))
        }
        backlog.noteSent(number: number + 1, now: at(20.01))
        #expect(backlog.expectedRequests(now: at(20.01), serviceSeconds: 10) > 3)
    }

    @Test("an older report, a restarted counter and an unknown end change nothing")
    func disorder() {
        var backlog = Backlog()
        backlog.note(report(running: 3, admitted: 100), measuredAt: at(10))
        backlog.note(report(running: 0, admitted: 50), measuredAt: at(9))
        #expect(backlog.expectedRequests(now: at(10), serviceSeconds: 1) == 3)
        backlog.note(report(running: 1, admitted: 1), measuredAt: at(11))
        #expect(backlog.expectedRequests(now: at(11), serviceSeconds: 1) == 1)
        backlog.noteEnded(number: 77, now: at(12))
        #expect(backlog.ownInFlight == 0)
    }

    @Test("without reports only a bounded number of ended requests is remembered, and none in flight is lost")
    func bounded() {
        var backlog = Backlog()
        for number in UInt64(0)..<5000 {
            backlog.noteSent(number: number, now: at(Double(number)))
            if number % 50 != 0 { backlog.noteEnded(number: number, now: at(Double(number) + 0.5)) }
        }
        #expect(backlog.ownInFlight == 100)
        backlog.checkInvariants()
    }
}
