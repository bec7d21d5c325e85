import Primitives
import Testing

@Suite struct InstantTests {
    private func at(_ nanoseconds: Int64) -> Instant { Instant(nanoseconds: nanoseconds) }

    @Test func `moments and spans add up`() {
        var now = at(1_000)
        now += .microseconds(2)
        #expect(now == at(3_000))
        #expect(now - .nanoseconds(500) == at(2_500))
        #expect(now - at(1_000) == .microseconds(2))
        #expect(at(1_000) - now == .microseconds(-2))
        #expect(at(1) < at(2))
        #expect(now + .nanoseconds(-1) == at(2_999))
    }

    @Test func `arithmetic saturates at both ends and never traps`() {
        let forever = Duration.seconds(Int64.max)
        #expect(at(5) + forever == .distantFuture)
        #expect(.distantFuture + .nanoseconds(1) == .distantFuture)
        #expect(at(-5) - forever == at(.min))
        #expect(at(-5) + (.zero - forever) == at(.min))
        #expect(at(5) - (.zero - forever) == .distantFuture)
        #expect(Instant.distantFuture - at(-5) == .nanoseconds(Int64.max))
        #expect(at(.min) - at(5) == .nanoseconds(Int64.min))
    }

    @Test(
        arguments: [
            (.zero, 0), (.nanoseconds(1), 1), (.milliseconds(-3), -3_000_000), (.seconds(2), 2_000_000_000),
            (Duration(secondsComponent: 0, attosecondsComponent: 999_999_999), 0),
            (.seconds(Int64.max), .max), (.seconds(Int64.min), .min), (.nanoseconds(Int64.max), .max),
            (.nanoseconds(Int64.max) + .nanoseconds(1), .max),
        ] as [(Duration, Int64)])
    func `a span in nanoseconds is exact or saturated`(_ span: Duration, _ nanoseconds: Int64) {
        #expect(span.inNanoseconds == nanoseconds)
    }

    @Test func `coarser units round toward zero`() {
        #expect(Duration.microseconds(1_999).inMilliseconds == 1)
        #expect(Duration.microseconds(-1_999).inMilliseconds == -1)
        #expect(Duration.milliseconds(1_500).inSeconds == 1.5)
    }
}
