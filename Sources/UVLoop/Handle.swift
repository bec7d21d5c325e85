import Cuv

/// The memory of one libuv handle, and its life.
///
/// Ownership: libuv keeps a handle's address from `uv_*_init` until the close callback has run. So the memory belongs
/// to this object, a reference to this object (and through `owner` to the socket, timer or hook that uses it) is kept in
/// the handle's `data`, and that reference is given up only in the close callback. Whoever drops a socket without
/// closing it therefore leaks nothing but time: the loop closes it when it ends.
final class Handle {
    /// At least as large and aligned as the C structure of `type`.
    let memory: UnsafeMutableRawPointer
    let loop: Loop
    private(set) var isClosing = false
    /// Who uses this handle; set once, right after its own init.
    var owner: AnyObject?
    /// Called when closing begins, before libuv is told.
    var onClosing: (() -> Void)?
    /// Called last, after libuv has let go.
    var onClosed: (() -> Void)?

    /// `start` is the `uv_*_init` call. If it fails nothing is left behind.
    init(
        _ type: uv_handle_type, on loop: Loop, _ operation: String, start: (UnsafeMutableRawPointer) -> Int32
    ) throws(UVError) {
        memory = .allocate(byteCount: uv_handle_size(type), alignment: 16)
        self.loop = loop
        let status = start(memory)
        guard status == 0 else {
            // Not reached by libuv: there is nothing to close.
            memory.deallocate()
            throw UVError(status, operation)
        }
        base.pointee.data = Unmanaged.passRetained(self).toOpaque()
        loop.handleOpened()
    }

    var base: UnsafeMutablePointer<uv_handle_t> { memory.assumingMemoryBound(to: uv_handle_t.self) }

    func pointer<T>(as type: T.Type) -> UnsafeMutablePointer<T> { memory.assumingMemoryBound(to: type) }

    /// Idempotent. The callback comes in a later turn of the loop.
    func close() {
        guard !isClosing else { return }
        isClosing = true
        onClosing?()
        onClosing = nil
        uv_close(base) { raw in
            guard let data = raw?.pointee.data else { return }
            let handle = Unmanaged<Handle>.fromOpaque(data).takeRetainedValue()
            let onClosed = handle.onClosed
            handle.owner = nil
            handle.onClosed = nil
            handle.memory.deallocate()
            handle.loop.handleClosed()
            onClosed?()
        }
    }

    /// The handle behind a pointer that libuv passes to a callback. Valid for the length of the callback.
    static func from(_ raw: UnsafeMutableRawPointer?) -> Handle? {
        guard let raw, let data = raw.assumingMemoryBound(to: uv_handle_t.self).pointee.data else { return nil }
        return Unmanaged<Handle>.fromOpaque(data).takeUnretainedValue()
    }

    static func owner<T: AnyObject>(of raw: UnsafeMutableRawPointer?, as type: T.Type) -> T? {
        from(raw)?.owner as? T
    }
}
