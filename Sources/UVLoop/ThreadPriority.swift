#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Asks the system to run the calling thread before ordinary work.
///
/// A leader whose heartbeats wait behind a compiler on every core looks dead to its followers. Where the process may
/// (root, CAP_SYS_NICE, or a limit of its own), its loop thread therefore runs round-robin at the lowest real-time
/// priority; the kernel keeps a share of each second for others even then (sched(7), "Limiting the CPU usage").
package enum ThreadPriority {
    /// False where the system does not allow it; nothing has changed then.
    package static func raise() -> Bool {
        var parameters = sched_param()
        parameters.sched_priority = sched_get_priority_min(SCHED_RR)
        return pthread_setschedparam(pthread_self(), SCHED_RR, &parameters) == 0
    }
}
