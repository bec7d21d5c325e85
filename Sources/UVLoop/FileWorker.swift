import Cuv
import Synchronization

/// One thread for blocking work, apart from libuv's shared pool: file writes and syncs run here in the order they were
/// submitted, and their results come back on the loop in that order. A slow disk delays nothing else.
///
///     worker.submit({ file.sync() }) { result in ... }     // first closure: the worker's thread; second: the loop's
package final class FileWorker {
    /// Work that may wait. More means that the owner does not wait for answers, which is a fault of the owner.
    package static let pendingMax = 4096

    private let queue: WorkQueue
    private let thread: NativeThread
    private let wakeup: Wakeup
    /// In the order of submission, which is the order of results.
    private let completions = Completions()

    package init(on loop: Loop) throws(UVError) {
        let queue = try WorkQueue()
        self.queue = queue
        let completions = completions
        wakeup = try Wakeup(on: loop) { completions.run(upTo: queue.finishedCount) }
        let signal = wakeup.signal
        thread = try NativeThread { queue.work(after: signal.trigger) }
        // Closing, by us or by the loop, waits for work in hand: a write that was begun is finished.
        let thread = thread
        wakeup.whenClosing {
            queue.end()
            thread.join()
        }
    }

    /// Submitted and not yet completed.
    package var pendingCount: Int { completions.count }

    /// Traps when `pendingMax` is exceeded. What is queued when worker or loop close is done, but no longer answered;
    /// what comes later is neither done nor answered, so nothing unwritten is ever acknowledged.
    package func submit<Result: Sendable>(
        _ work: @escaping @Sendable () -> Result, completion: @escaping (Result) -> Void
    ) {
        guard queue.isOpen else { return }
        precondition(pendingCount < Self.pendingMax, "\(pendingCount) pieces of work wait for the disk")
        let result = ResultBox<Result>()
        completions.add {
            // The worker stored it before it counted this piece as finished.
            if let value = result.take() { completion(value) }
        }
        queue.add { result.store(work()) }
    }

    /// Finishes what was submitted, then ends the thread. Blocks until then.
    package func close() {
        wakeup.close()
    }

    /// On the loop's thread only.
    private final class Completions {
        private var waiting: [() -> Void] = []
        private var doneCount = 0
        private var runCount = 0

        var count: Int { waiting.count - doneCount }

        func add(_ completion: @escaping () -> Void) { waiting.append(completion) }

        func run(upTo finishedCount: Int) {
            while runCount < finishedCount {
                let completion = waiting[doneCount]
                doneCount += 1
                runCount += 1
                // A completion may submit more.
                completion()
            }
            waiting.removeFirst(doneCount)
            doneCount = 0
        }
    }
}

/// A result on its way from the worker to the loop.
private final class ResultBox<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)

    func store(_ result: Value) { value.withLock { $0 = result } }

    func take() -> Value? {
        value.withLock { held in
            defer { held = nil }
            return held
        }
    }
}
