import Cuv

/// A libuv event loop. It and everything made on it belong to one thread: the one that makes it, arms it and calls
/// `run`. Nothing here is Sendable, so the compiler holds the owner to that; the way in from elsewhere is `Wakeup`.
///
///     let loop = try Loop()
///     let socket = try UDPSocket.bind(endpoint, on: loop) { bytes, from in ... }
///     loop.run()          // until stop(); on return every handle is closed
///
/// One turn: timers, hooks before, poll (sockets), check hooks, close callbacks. Timers run *before* sockets, so a loop
/// that was held up would see its deadlines before the messages that arrived in time. Owners therefore do their own
/// ticking in a `CheckHook`, after the sockets, and use `LoopTimer` only to be woken.
package final class Loop {
    private enum Phase { case ready, running, finished }

    let memory: UnsafeMutablePointer<uv_loop_t>
    /// Where stream reads land before they are copied out. libuv fills and hands it over in one call, on this thread.
    let readBuffer: UnsafeMutableRawBufferPointer
    private var phase = Phase.ready
    private var isStopping = false
    /// Handles that libuv knows of: opened and not yet closed.
    package private(set) var openHandleCount = 0
    /// Turns that the loop has made, for tests and metrics.
    package private(set) var turnCount: UInt64 = 0

    package init() throws(UVError) {
        let memory = UnsafeMutablePointer<uv_loop_t>.allocate(capacity: 1)
        let status = uv_loop_init(memory)
        guard status == 0 else {
            memory.deallocate()
            throw UVError(status, "make an event loop")
        }
        self.memory = memory
        readBuffer = .allocate(byteCount: 64 << 10, alignment: 16)
    }

    /// Runs until `stop()`, or until nothing is left that could wake it. Then closes every handle, lets their last
    /// callbacks run (`.closed` of connections among them), and returns. A loop runs once.
    package func run() {
        precondition(phase == .ready, "a loop runs once")
        phase = .running
        while !isStopping, uv_run(memory, UV_RUN_ONCE) != 0 { turnCount += 1 }
        shutDown()
    }

    /// Makes `run` end after this turn. On the loop's own thread; from elsewhere trigger a `Wakeup` that calls it.
    package func stop() {
        isStopping = true
        uv_stop(memory)
    }

    func handleOpened() {
        precondition(phase != .finished, "the loop has ended")
        openHandleCount += 1
    }

    func handleClosed() { openHandleCount -= 1 }

    private func shutDown() {
        // Callbacks may open new handles while the old ones close; hence the loop.
        while openHandleCount > 0 {
            uv_walk(memory, { raw, _ in Handle.from(raw)?.close() }, nil)
            uv_run(memory, UV_RUN_NOWAIT)
        }
        let status = uv_loop_close(memory)
        precondition(status == 0, "libuv still holds \(UVError(status, "close the loop"))")
        phase = .finished
    }

    deinit {
        // A handle keeps the loop alive, so none is open here: an unused loop closes at once.
        if phase != .finished { uv_loop_close(memory) }
        memory.deallocate()
        readBuffer.deallocate()
    }
}
