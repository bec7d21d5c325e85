import Cuv
import Primitives

/// One TCP connection, made by `connect` or given by a `TCPListener`. Nagle's delay is off, and one whose other side
/// vanished without a word ends by itself (`SilenceLimit`).
///
/// Its owner hears of it through one closure. `.closed` comes exactly once, from the loop and never from inside a call
/// that the owner makes; after it the closure is gone.
package final class TCPConnection {
    package enum Event {
        /// A connection of our own making is open. Accepted ones are open from the start.
        case opened
        case received([UInt8])
        /// Everything written has left for the system: room for more.
        case drained
        /// Over. No error if the other side ended it or we closed it.
        case closed(UVError?)
    }

    /// Bytes that may wait for the other side; a peer that reads too slowly costs no more memory than this.
    package static let backlogByteCountMax = 16 << 20

    let handle: Handle
    private var onEvent: ((TCPConnection, Event) -> Void)?
    private var error: UVError?
    package private(set) var remoteEndpoint: Endpoint
    package private(set) var isOpen = false
    package private(set) var backlogByteCount = 0

    /// Events follow, beginning with `.opened` or `.closed`. An address that swallows packets takes the system minutes
    /// to give up: close the connection by a timer of your own. Throws only if the system has no socket for us.
    package static func connect(
        to endpoint: Endpoint, on loop: Loop, onEvent: @escaping (TCPConnection, Event) -> Void
    ) throws(UVError) -> TCPConnection {
        let connection = try TCPConnection(remote: endpoint, on: loop)
        connection.onEvent = onEvent
        connection.startConnecting()
        return connection
    }

    init(remote: Endpoint, on loop: Loop) throws(UVError) {
        handle = try Handle(UV_TCP, on: loop, "make a TCP socket") {
            uv_tcp_init(loop.memory, $0.assumingMemoryBound(to: uv_tcp_t.self))
        }
        remoteEndpoint = remote
        handle.owner = self
        handle.onClosed = { [self] in finish() }
    }

    /// Starts an accepted connection: until then nothing is read. Call it in the listener's callback or later.
    package func begin(onEvent: @escaping (TCPConnection, Event) -> Void) {
        precondition(self.onEvent == nil, "connection from \(remoteEndpoint) begins once")
        self.onEvent = onEvent
        startReading()
    }

    /// Sends, keeping what the system does not take at once. False if nothing was taken, because the backlog would
    /// exceed `backlogByteCountMax` or the connection is not open: drop the message or close.
    package func write(_ bytes: [UInt8]) -> Bool {
        guard isOpen, !handle.isClosing, backlogByteCount + bytes.count <= Self.backlogByteCountMax else {
            return false
        }
        guard !bytes.isEmpty else { return true }
        let taken = backlogByteCount == 0 ? tryWrite(bytes) : 0
        if taken < bytes.count { queue(bytes[taken...]) }
        return true
    }

    /// Ends the connection; what still waits is dropped.
    package func close() {
        isOpen = false
        handle.close()
    }

    private var stream: UnsafeMutablePointer<uv_stream_t> { handle.pointer(as: uv_stream_t.self) }

    private func fail(_ code: Int32, _ operation: String) {
        if error == nil { error = UVError(code, "\(operation) \(remoteEndpoint)") }
        close()
    }

    private func finish() {
        let onEvent = onEvent
        self.onEvent = nil
        onEvent?(self, .closed(error))
    }

    func accepted(from listener: UnsafeMutablePointer<uv_stream_t>) throws(UVError) {
        try UVError.check(uv_accept(listener, stream), "accept a connection")
        let tcp = handle.pointer(as: uv_tcp_t.self)
        remoteEndpoint = SocketAddress.query { uv_tcp_getpeername(tcp, $0, $1) } ?? remoteEndpoint
        becomeOpen()
    }

    private func becomeOpen() {
        isOpen = true
        let tcp = handle.pointer(as: uv_tcp_t.self)
        // Only delays small messages if it fails.
        uv_tcp_nodelay(tcp, 1)
        SilenceLimit.apply(to: tcp)
    }

    private func startConnecting() {
        let request = SendRequest<uv_connect_t>(copying: [])
        let tcp = handle.pointer(as: uv_tcp_t.self)
        let status = SocketAddress.with(remoteEndpoint, asIPv4: remoteEndpoint.isIPv4) { address in
            uv_tcp_connect(request.memory, tcp, address) { raw, status in
                guard let raw else { return }
                let connection = Handle.owner(of: raw.pointee.handle, as: TCPConnection.self)
                _ = SendRequest<uv_connect_t>.take(raw.pointee.data)
                connection?.connected(status)
            }
        }
        // An endpoint always fits a socket of its own family, hence a status.
        guard status == 0 else { return fail(status ?? UV_EAFNOSUPPORT.rawValue, "connect to TCP") }
        request.memory.pointee.data = request.retained()
    }

    private func connected(_ status: Int32) {
        // Closed by us while connecting: `.closed` follows by itself.
        guard !handle.isClosing else { return }
        guard status == 0 else { return fail(status, "connect to TCP") }
        becomeOpen()
        onEvent?(self, .opened)
        startReading()
    }

    private func startReading() {
        guard !handle.isClosing else { return }
        let status = uv_read_start(
            stream,
            { raw, _, target in
                let buffer = Handle.from(raw)?.loop.readBuffer
                target?.pointee = uv_buf_init(
                    buffer?.baseAddress?.assumingMemoryBound(to: CChar.self), UInt32(buffer?.count ?? 0))
            },
            { raw, count, data in
                Handle.owner(of: raw, as: TCPConnection.self)?.received(count, data)
            })
        if status != 0 { fail(status, "read from TCP") }
    }

    private func received(_ count: Int, _ data: UnsafePointer<uv_buf_t>?) {
        guard !handle.isClosing else { return }
        if count == Int(UV_EOF.rawValue) { return close() }
        if count < 0 { return fail(Int32(count), "read from TCP") }
        guard count > 0, let base = data?.pointee.base else { return }
        onEvent?(self, .received(Array(UnsafeRawBufferPointer(start: base, count: count))))
    }

    private func tryWrite(_ bytes: [UInt8]) -> Int {
        let status = bytes.withUnsafeBytes { source in
            // libuv takes a mutable pointer and only reads from it.
            let start = UnsafeMutablePointer(mutating: source.assumingMemoryBound(to: CChar.self).baseAddress)
            var buffer = uv_buf_init(start, UInt32(source.count))
            return uv_try_write(stream, &buffer, 1)
        }
        // An error shows again in `queue`, which reports it from the loop.
        return max(0, Int(status))
    }

    private func queue(_ bytes: ArraySlice<UInt8>) {
        let request = SendRequest<uv_write_t>(copying: bytes)
        let status = uv_write(request.memory, stream, &request.buffer, 1) { raw, status in
            guard let raw else { return }
            let connection = Handle.owner(of: raw.pointee.handle, as: TCPConnection.self)
            let count = SendRequest<uv_write_t>.take(raw.pointee.data)?.byteCount ?? 0
            connection?.written(count, status)
        }
        guard status == 0 else { return fail(status, "write to TCP") }
        request.memory.pointee.data = request.retained()
        backlogByteCount += bytes.count
    }

    private func written(_ count: Int, _ status: Int32) {
        backlogByteCount -= count
        guard !handle.isClosing else { return }
        if status < 0 { return fail(status, "write to TCP") }
        if backlogByteCount == 0 { onEvent?(self, .drained) }
    }
}
