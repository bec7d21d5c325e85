import Cuv
import Synchronization

/// Calls back on the loop's thread after any thread has asked for it. Requests that come faster than the loop turns are
/// answered by one call, so the callback looks at a mailbox, never at a count.
package final class Wakeup {
    private let handle: Handle
    private let body: () -> Void
    /// The part that other threads may hold.
    package let signal: Signal

    package init(on loop: Loop, _ body: @escaping () -> Void) throws(UVError) {
        handle = try Handle(UV_ASYNC, on: loop, "make a wake-up") { memory in
            uv_async_init(loop.memory, memory.assumingMemoryBound(to: uv_async_t.self)) { raw in
                Handle.owner(of: raw, as: Wakeup.self)?.body()
            }
        }
        self.body = body
        signal = Signal(handle.pointer(as: uv_async_t.self))
        handle.owner = self
        // However the handle comes to be closed, libuv frees nothing before this has run.
        handle.onClosing = { [signal] in signal.invalidate() }
    }

    package func close() { handle.close() }

    /// Adds a step to the beginning of closing, by us or by the loop.
    func whenClosing(_ step: @escaping () -> Void) {
        handle.onClosing = { [signal] in
            step()
            signal.invalidate()
        }
    }

    /// Ownership: the pointer is used only under the lock and only until the handle begins to close; `uv_async_send` is
    /// the one libuv function that any thread may call.
    package final class Signal: @unchecked Sendable {
        private let pointer: UnsafeMutablePointer<uv_async_t>
        private let isOpen = Mutex(true)

        fileprivate init(_ pointer: UnsafeMutablePointer<uv_async_t>) { self.pointer = pointer }

        /// From any thread. Does nothing once the wake-up or its loop is closed.
        package func trigger() {
            isOpen.withLock { if $0 { uv_async_send(pointer) } }
        }

        fileprivate func invalidate() { isOpen.withLock { $0 = false } }
    }
}
