import Cuv

/// A thread of the system's own, for work that blocks.
///
/// Ownership: the body is handed to the new thread with a reference that it takes over; the id is written before `init`
/// returns and read only by `join`, which the maker calls.
package final class NativeThread {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// A `uv_thread_t`, which is a number on Linux and a pointer on Darwin.
    private let id = UnsafeMutableRawPointer.allocate(
        byteCount: MemoryLayout<uv_thread_t>.size, alignment: MemoryLayout<uv_thread_t>.alignment)
    private var isJoined = false

    package init(_ run: @escaping @Sendable () -> Void) throws(UVError) {
        let body = Unmanaged.passRetained(Body(run))
        let status = uv_thread_create(
            slot(),
            { raw in
                guard let raw else { return }
                Unmanaged<Body>.fromOpaque(raw).takeRetainedValue().run()
            }, body.toOpaque())
        guard status == 0 else {
            body.release()
            throw UVError(status, "start a thread")
        }
    }

    /// Waits for the end of the body. Only the first call waits.
    package func join() {
        guard !isJoined else { return }
        isJoined = true
        uv_thread_join(slot())
    }

    deinit { id.deallocate() }

    /// The id in whatever form the platform's function takes.
    private func slot<Form>() -> UnsafeMutablePointer<Form> { id.assumingMemoryBound(to: Form.self) }
}
