import Primitives
import SecureChannel
import Testing

@Suite struct ReplayWindowTests {
    @Test(
        arguments: [
            // Counters in order of arrival, and whether each is accepted.
            ([1, 2, 3], [true, true, true]),
            ([0], [false]),
            ([1, 1], [true, false]),
            ([3, 1, 2, 1], [true, true, true, false]),
            ([5000, 968, 969], [true, false, true]),
            ([64, 63, 65, 64, 0], [true, true, true, false, false]),
            ([1, 4033, 1, 2], [true, true, false, true]),
            ([1, 4097, 4033, 66], [true, true, true, true]),
            ([100, 1_000_000, 100, 996_000], [true, true, false, true]),
        ] as [([UInt64], [Bool])])
    func `each counter is accepted once, and not behind the span`(_ counters: [UInt64], _ expected: [Bool]) {
        var window = ReplayWindow()
        var accepted: [Bool] = []
        for counter in counters { accepted.append(window.accept(counter)) }
        #expect(accepted == expected)
    }

    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func `it agrees with a set that remembers everything`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var window = ReplayWindow()
        var seen: Set<UInt64> = []
        var highest: UInt64 = 0
        for _ in 0..<3000 {
            let back = UInt64(random.below(random.chance(1, in: 4) ? 6000 : 200))
            let ahead = UInt64(random.below(random.chance(1, in: 50) ? 9000 : 90))
            let counter = random.chance(1, in: 2) ? highest + ahead : (highest > back ? highest - back : 0)
            let fresh = counter > 0 && !seen.contains(counter) && counter + ReplayWindow.span > highest
            #expect(window.isFresh(counter) == fresh, "seed \(seed) counter \(counter) highest \(highest)")
            let accepted = window.accept(counter)
            #expect(accepted == fresh, "seed \(seed) counter \(counter) highest \(highest)")
            if accepted {
                seen.insert(counter)
                highest = max(highest, counter)
            }
            #expect(window.highest == highest)
        }
    }

    @Test func `the last counters of all are handled without overflow`() {
        var window = ReplayWindow()
        let results = [UInt64.max - 1, .max, .max, .max - 4031, .max - 4032].map { window.accept($0) }
        #expect(results == [true, true, false, true, false])
    }

    @Test func `the span is at least 2048 frames`() {
        #expect(ReplayWindow.span >= 2048)
    }
}
