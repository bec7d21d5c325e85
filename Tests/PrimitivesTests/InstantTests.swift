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
            // Where a span in attoseconds no longer fits one word.
            (.seconds(18), 18_000_000_000), (.nanoseconds(18_446_744_073), 18_446_744_073),
            (.nanoseconds(18_446_744_074), 18_446_744_074), (.seconds(19), 19_000_000_000),
            (.seconds(-19), -19_000_000_000),
        ] as [(Duration, Int64)])
    func `a span in nanoseconds is exact or saturated`(_ span: Duration, _ nanoseconds: Int64) {
        #expect(span.inNanoseconds == nanoseconds)
    }

    @Test func `spans of whole nanoseconds and fractions of spans are exact`() {
        for nanoseconds in [0, 1, -1, 735_000_000, -3_000_000_001, Int64.max, Int64.min] {
            #expect(Duration(wholeNanoseconds: nanoseconds) == .nanoseconds(nanoseconds))
        }
        #expect(Duration.milliseconds(735).scaled(by: 5, over: 4) == .microseconds(918_750))
        #expect(Duration.nanoseconds(7).scaled(by: 3, over: 4) == .nanoseconds(5))
    }

    @Test func `coarser units round toward zero`() {
        #expect(Duration.microseconds(1_999).inMilliseconds == 1)
        #expect(Duration.microseconds(-1_999).inMilliseconds == -1)
        #expect(Duration.milliseconds(1_500).inSeconds == 1.5)
    }
}
