/// The one source of chance in cores and simulator: xoshiro256** seeded through SplitMix64
/// (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021).
///
/// Equal seeds give equal sequences on every platform and in every build. Not for keys or nonces: those come from
/// `Entropy` in SecureChannel.
@usableFromInline package struct SeededRandom: Sendable {
    @usableFromInline var s0: UInt64
    @usableFromInline var s1: UInt64
    @usableFromInline var s2: UInt64
    @usableFromInline var s3: UInt64

    package init(seed: UInt64) {
        var state = seed
        func splitMix() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        s0 = splitMix()
        s1 = splitMix()
        s2 = splitMix()
        s3 = splitMix()
    }

    @inlinable package mutating func next() -> UInt64 {
        let result = rotate(s1 &* 5, 7) &* 9
        let t = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= t
        s3 = rotate(s3, 45)
        return result
    }

    /// A uniform integer in `0..<bound`, without modulo bias (Lemire 2019). Traps unless `bound` is positive.
    @inlinable package mutating func below(_ bound: Int) -> Int {
        precondition(bound > 0, "an empty range has no random element (bound \(bound))")
        let range = UInt64(bound)
        var product = next().multipliedFullWidth(by: range)
        if product.low < range {
            let threshold = (0 &- range) % range
            while product.low < threshold { product = next().multipliedFullWidth(by: range) }
        }
        return Int(product.high)
    }

    /// True with probability `numerator / denominator`.
    @inlinable package mutating func chance(_ numerator: Int, in denominator: Int) -> Bool {
        below(denominator) < numerator
    }

    /// A span in `range`, to the nanosecond.
    @inlinable package mutating func duration(in range: ClosedRange<Duration>) -> Duration {
        let low = range.lowerBound.inNanoseconds
        let width = range.upperBound.inNanoseconds - low
        return Duration(wholeNanoseconds: low + Int64(below(Int(width) + 1)))
    }

    @inlinable package mutating func element<C: RandomAccessCollection>(of items: C) -> C.Element?
    where C.Index == Int {
        items.isEmpty ? nil : items[items.startIndex + below(items.count)]
    }

    /// Fisher-Yates.
    @inlinable package mutating func shuffle<T>(_ items: inout [T]) {
        guard items.count > 1 else { return }
        for last in stride(from: items.count - 1, to: 0, by: -1) {
            items.swapAt(last, below(last + 1))
        }
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count {
            var word = next()
            for _ in 0..<min(8, count - result.count) {
                result.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
            }
        }
        return result
    }

    /// An independent generator: drawing from it never shifts this one's sequence by more than one step.
    package mutating func fork() -> SeededRandom { SeededRandom(seed: next()) }

    @inlinable func rotate(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }
}
