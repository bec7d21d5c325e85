import Cuv

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// How long a TCP connection outlives a silent other side.
///
/// Left alone, the system tries again for a quarter of an hour, at intervals that double up to two minutes, and an idle
/// connection is never asked after at all: after a cut a stream would stand still for minutes on a path that works again.
enum SilenceLimit {
    /// Of a connection on which nothing is under way; short enough that routers that translate addresses remember it.
    static let idleSeconds: UInt32 = 15
    /// Without an answer to what was sent, a question after an idle time included (RFC 5482).
    static let unansweredSeconds: CInt = 10

    /// Failure leaves the system's own, longer limits.
    static func apply(to tcp: UnsafeMutablePointer<uv_tcp_t>) {
        uv_tcp_keepalive(tcp, 1, idleSeconds)
        let handle = UnsafeRawPointer(tcp).assumingMemoryBound(to: uv_handle_t.self)
        var descriptor: uv_os_fd_t = -1
        guard uv_fileno(handle, &descriptor) == 0 else { return }
        #if canImport(Darwin)
            var limit = unansweredSeconds
            setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_RXT_CONNDROPTIME, &limit, socklen_t(MemoryLayout<CInt>.size))
        #else
            var limit = unansweredSeconds * 1000
            setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_USER_TIMEOUT, &limit, socklen_t(MemoryLayout<CInt>.size))
        #endif
    }
}
