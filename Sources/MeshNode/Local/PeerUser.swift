import NIOCore

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Which user is at the other end of a Unix socket, as the kernel noted it when the connection was made. The one place
/// that asks: `SO_PEERCRED` on Linux (unix(7)), `LOCAL_PEERCRED` on macOS, which is what getpeereid(3) reads there.
enum PeerUser {
    /// Fails on a channel that is not a connected Unix socket.
    static func identify(_ channel: any Channel) -> EventLoopFuture<uid_t> {
        guard let options = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
        }
        #if canImport(Darwin)
            let credentials: EventLoopFuture<xucred> = options.unsafeGetSocketOption(
                level: SocketOptionLevel(SOL_LOCAL), name: SocketOptionName(LOCAL_PEERCRED))
            return credentials.map(\.cr_uid)
        #else
            let credentials: EventLoopFuture<Credentials> = options.unsafeGetSocketOption(
                level: SocketOptionLevel(SOL_SOCKET), name: SocketOptionName(SO_PEERCRED))
            return credentials.map(\.user)
        #endif
    }

    #if !canImport(Darwin)
        /// `struct ucred`, which Glibc shows only to GNU sources.
        private struct Credentials {
            var process: pid_t
            var user: uid_t
            var group: gid_t
        }
    #endif
}
