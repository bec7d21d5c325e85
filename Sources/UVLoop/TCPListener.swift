import Cuv
import Primitives

/// Accepts TCP connections on one address.
package final class TCPListener {
    private static let pendingMax: Int32 = 128

    private let handle: Handle
    private var onAccept: ((TCPConnection) -> Void)?
    /// The address bound, with the port that the system chose if 0 was asked for.
    package private(set) var localEndpoint: Endpoint
    /// Connections that could not be taken, for want of file descriptors mostly.
    package private(set) var failedAcceptCount: UInt64 = 0

    /// Fails if another socket listens on the port. Each connection handed to `onAccept` waits for its `begin` or
    /// `close`.
    package static func listen(
        on endpoint: Endpoint, loop: Loop, onAccept: @escaping (TCPConnection) -> Void
    ) throws(UVError) -> TCPListener {
        let listener = try TCPListener(endpoint, loop, onAccept)
        do throws(UVError) {
            try listener.open()
        } catch {
            listener.close()
            throw error
        }
        return listener
    }

    private init(
        _ endpoint: Endpoint, _ loop: Loop, _ onAccept: @escaping (TCPConnection) -> Void
    ) throws(UVError) {
        handle = try Handle(UV_TCP, on: loop, "make a TCP socket") {
            uv_tcp_init(loop.memory, $0.assumingMemoryBound(to: uv_tcp_t.self))
        }
        localEndpoint = endpoint
        self.onAccept = onAccept
        handle.owner = self
        handle.onClosed = { [weak self] in self?.onAccept = nil }
    }

    /// Connections already accepted go on.
    package func close() { handle.close() }

    private func open() throws(UVError) {
        let operation = "listen on TCP \(localEndpoint)"
        let tcp = handle.pointer(as: uv_tcp_t.self)
        let bound = SocketAddress.with(localEndpoint, asIPv4: localEndpoint.isIPv4) { uv_tcp_bind(tcp, $0, 0) }
        try UVError.check(bound ?? UV_EAFNOSUPPORT.rawValue, operation)
        let status = uv_listen(handle.pointer(as: uv_stream_t.self), Self.pendingMax) { raw, status in
            Handle.owner(of: raw, as: TCPListener.self)?.incoming(status)
        }
        try UVError.check(status, operation)
        localEndpoint = SocketAddress.query { uv_tcp_getsockname(tcp, $0, $1) } ?? localEndpoint
    }

    private func incoming(_ status: Int32) {
        guard status == 0, let connection = try? TCPConnection(remote: localEndpoint, on: handle.loop) else {
            failedAcceptCount += 1
            return
        }
        do throws(UVError) {
            try connection.accepted(from: handle.pointer(as: uv_stream_t.self))
            if let onAccept { onAccept(connection) } else { connection.close() }
        } catch {
            failedAcceptCount += 1
            connection.close()
        }
    }
}
