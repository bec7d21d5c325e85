import Cuv
import Synchronization

/// Work for one thread, first in, first out, with a count of what is finished.
///
/// Ownership: the semaphore belongs to this object, which both threads hold; libuv's semaphores may be used from any.
final class WorkQueue: @unchecked Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var isEnding = false
        var finishedCount = 0
    }

    private let state = Mutex(State())
    private let available: UnsafeMutablePointer<uv_sem_t>

    init() throws(UVError) {
        let available = UnsafeMutablePointer<uv_sem_t>.allocate(capacity: 1)
        let status = uv_sem_init(available, 0)
        guard status == 0 else {
            available.deallocate()
            throw UVError(status, "make a semaphore")
        }
        self.available = available
    }

    deinit {
        uv_sem_destroy(available)
        available.deallocate()
    }

    var finishedCount: Int { state.withLock { $0.finishedCount } }

    var isOpen: Bool { state.withLock { !$0.isEnding } }

    func add(_ work: @escaping @Sendable () -> Void) {
        state.withLock { $0.waiting.append(work) }
        uv_sem_post(available)
    }

    /// No more will be added; what waits is still done.
    func end() {
        state.withLock { $0.isEnding = true }
        uv_sem_post(available)
    }

    /// The worker's whole life. `notify` is called after pieces are counted as finished.
    func work(after notify: () -> Void) {
        while true {
            uv_sem_wait(available)
            let (batch, isEnding) = state.withLock { state in
                defer { state.waiting = [] }
                return (state.waiting, state.isEnding)
            }
            for piece in batch {
                piece()
                state.withLock { $0.finishedCount += 1 }
                notify()
            }
            if isEnding { return }
        }
    }
}
