import Cuv
import Primitives

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// The clock of an agent. It counts while the machine sleeps, so that a laptop notices that it was away, and no one can
/// set it. libuv's own clock stops during sleep and is used for nothing but waking up.
package enum MonotonicClock {
    #if canImport(Darwin)
        /// Darwin's raw clock goes on during sleep (`mach_continuous_time`).
        private static let id = CLOCK_MONOTONIC_RAW
    #else
        private static let id = CLOCK_BOOTTIME
    #endif

    package static func now() -> Instant {
        var time = timespec()
        let status = clock_gettime(id, &time)
        precondition(status == 0, "the system has no monotonic clock that counts sleep")
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
