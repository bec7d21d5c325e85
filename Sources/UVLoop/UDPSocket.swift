import Cuv
import Primitives

/// A datagram socket. Receives in batches (recvmmsg on Linux, up to 20 a system call); sends as well as the system
/// lets it, and otherwise drops, as the network would.
package final class UDPSocket {
    package enum SendOutcome: Hashable, Sendable {
        case sent
        /// The socket's buffer was full: libuv sends it when there is room.
        case queued
        /// The backlog is full, the address family does not fit, or the system refused (no route, filtered).
        case dropped
    }

    /// Datagrams that may wait for the socket; beyond that they are dropped, as they would be stale anyway.
    package static let backlogMax = 256
    /// What the system is asked to keep of datagrams that arrive while the loop is busy.
    private static let receiveByteCount: Int32 = 1 << 20
    /// libuv cuts the buffer into 64 KiB chunks, one a datagram. Only pages that datagrams touch become resident.
    private static let batchByteCount = 20 * 64 << 10

    private let handle: Handle
    private let isIPv4: Bool
    private let buffer: UnsafeMutableRawBufferPointer
    private var onReceive: ([UInt8], Endpoint) -> Void
    private var backlog = 0
    /// The address bound, with the port that the system chose if 0 was asked for.
    package private(set) var localEndpoint: Endpoint
    package private(set) var droppedSendCount: UInt64 = 0
    package private(set) var receiveErrorCount: UInt64 = 0

    /// Fails if another socket has the port. `[::]` receives IPv4, too.
    package static func bind(
        _ endpoint: Endpoint, on loop: Loop, onReceive: @escaping ([UInt8], Endpoint) -> Void
    ) throws(UVError) -> UDPSocket {
        let socket = try UDPSocket(endpoint, on: loop, onReceive)
        do throws(UVError) {
            try socket.open()
        } catch {
            socket.close()
            throw error
        }
        return socket
    }

    private init(
        _ endpoint: Endpoint, on loop: Loop, _ onReceive: @escaping ([UInt8], Endpoint) -> Void
    ) throws(UVError) {
        handle = try Handle(UV_UDP, on: loop, "make a UDP socket") {
            let flags = UInt32(AF_UNSPEC) | UInt32(UV_UDP_RECVMMSG.rawValue)
            return uv_udp_init_ex(loop.memory, $0.assumingMemoryBound(to: uv_udp_t.self), flags)
        }
        isIPv4 = endpoint.isIPv4
        localEndpoint = endpoint
        buffer = .allocate(byteCount: Self.batchByteCount, alignment: 16)
        self.onReceive = onReceive
        handle.owner = self
        // The owner's callbacks may hold the owner's owner: let them go with the socket.
        handle.onClosed = { [weak self] in self?.onReceive = { _, _ in } }
    }

    deinit { buffer.deallocate() }

    /// Best effort; nothing is reported later.
    @discardableResult
    package func send(_ bytes: [UInt8], to endpoint: Endpoint) -> SendOutcome {
        let outcome = handle.isClosing ? .dropped : trySend(bytes, to: endpoint)
        if outcome == .dropped { droppedSendCount += 1 }
        return outcome
    }

    package func close() { handle.close() }

    private var udp: UnsafeMutablePointer<uv_udp_t> { handle.pointer(as: uv_udp_t.self) }

    private func open() throws(UVError) {
        let operation = "bind UDP \(localEndpoint)"
        let status = SocketAddress.with(localEndpoint, asIPv4: isIPv4) { uv_udp_bind(udp, $0, 0) }
        try UVError.check(status ?? UV_EAFNOSUPPORT.rawValue, operation)
        localEndpoint = SocketAddress.query { uv_udp_getsockname(udp, $0, $1) } ?? localEndpoint
        // As much as the system allows: bursts outlast a busy turn. Without it there is only more loss.
        var receiveByteCount = Self.receiveByteCount
        uv_recv_buffer_size(handle.base, &receiveByteCount)
        let started = uv_udp_recv_start(
            udp,
            { raw, _, target in
                let socket = Handle.owner(of: raw, as: UDPSocket.self)
                // libuv has handed the whole buffer back before it asks again: `received` copies.
                target?.pointee = uv_buf_init(
                    socket?.buffer.baseAddress?.assumingMemoryBound(to: CChar.self), UInt32(socket?.buffer.count ?? 0))
            },
            { raw, count, data, address, flags in
                Handle.owner(of: raw, as: UDPSocket.self)?.received(count, data, address, flags)
            })
        try UVError.check(started, operation)
    }

    private func received(
        _ count: Int, _ data: UnsafePointer<uv_buf_t>?, _ address: UnsafePointer<sockaddr>?, _ flags: UInt32
    ) {
        if count < 0 {
            receiveErrorCount += 1
            return
        }
        // No address: nothing more to read, or the end of a batch. Cut off: longer than any frame.
        guard let address, let base = data?.pointee.base, flags & UInt32(UV_UDP_PARTIAL.rawValue) == 0,
            let endpoint = SocketAddress.read(address), !handle.isClosing
        else { return }
        onReceive(Array(UnsafeRawBufferPointer(start: base, count: count)), endpoint)
    }

    private func trySend(_ bytes: [UInt8], to endpoint: Endpoint) -> SendOutcome {
        let outcome = SocketAddress.with(endpoint, asIPv4: isIPv4) { address -> SendOutcome in
            let status = bytes.withUnsafeBytes { source in
                // libuv takes a mutable pointer and only reads from it.
                let start = UnsafeMutablePointer(mutating: source.assumingMemoryBound(to: CChar.self).baseAddress)
                var buffer = uv_buf_init(start, UInt32(source.count))
                return uv_udp_try_send(udp, &buffer, 1, address)
            }
            if status >= 0 { return .sent }
            guard status == UV_EAGAIN.rawValue, backlog < Self.backlogMax else { return .dropped }
            return queue(bytes, to: address)
        }
        return outcome ?? .dropped
    }

    private func queue(_ bytes: [UInt8], to address: UnsafePointer<sockaddr>) -> SendOutcome {
        let request = SendRequest<uv_udp_send_t>(copying: bytes[...])
        let status = uv_udp_send(request.memory, udp, &request.buffer, 1, address) { raw, _ in
            guard let raw else { return }
            let socket = Handle.owner(of: raw.pointee.handle, as: UDPSocket.self)
            _ = SendRequest<uv_udp_send_t>.take(raw.pointee.data)
            socket?.backlog -= 1
        }
        guard status == 0 else { return .dropped }
        request.memory.pointee.data = request.retained()
        backlog += 1
        return .queued
    }
}
