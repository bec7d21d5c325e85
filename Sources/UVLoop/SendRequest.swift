import Cuv

/// Bytes that wait for a socket, and the C request that carries them.
///
/// Ownership: libuv uses request and bytes from the call that takes them until its callback. A reference kept in the
/// request's `data` (`retained`) keeps both alive until that callback takes it; if the call fails, nothing was kept.
final class SendRequest<Request> {
    let memory: UnsafeMutablePointer<Request>
    var buffer: uv_buf_t
    let byteCount: Int
    private let bytes: UnsafeMutablePointer<CChar>

    init(copying source: ArraySlice<UInt8>) {
        memory = .allocate(capacity: 1)
        byteCount = source.count
        let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: max(source.count, 1))
        source.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: bytes, count: $0.count).copyMemory(from: $0) }
        self.bytes = bytes
        buffer = uv_buf_init(bytes, UInt32(byteCount))
    }

    func retained() -> UnsafeMutableRawPointer { Unmanaged.passRetained(self).toOpaque() }

    /// In libuv's callback: the request that `data` kept, which ends with the caller's reference.
    static func take(_ data: UnsafeMutableRawPointer?) -> SendRequest? {
        data.map { Unmanaged<SendRequest>.fromOpaque($0).takeRetainedValue() }
    }

    deinit {
        memory.deallocate()
        bytes.deallocate()
    }
}
