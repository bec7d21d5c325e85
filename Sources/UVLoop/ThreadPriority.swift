#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Asks the system to prefer the calling thread over ordinary work.
///
/// A leader whose heartbeats wait behind a compiler on every core looks dead to its followers. A higher share, not a
/// real-time class: libuv's `uv_async_send` spins briefly for a sender that was interrupted halfway, and a real-time
/// thread that spins never lets that sender run (measured: loops at 90% of a core until the kernel's throttle).
package enum ThreadPriority {
    /// False where the system does not allow it (no root, no CAP_SYS_NICE); nothing has changed then.
    package static func raise() -> Bool {
        #if canImport(Darwin)
            pthread_set_qos_class_self_np(QOS_CLASS_USER_INTERACTIVE, 0) == 0
        #else
            // On Linux the nice value belongs to the thread (setpriority(2), "C library/kernel differences").
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, -10) == 0
        #endif
    }
}
