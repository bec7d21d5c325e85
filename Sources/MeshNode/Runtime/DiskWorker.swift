import Primitives
import Raft
import Synchronization
import UVLoop

/// Runs planned disk operations on a thread of its own and brings the outcome back to the loop.
final class DiskWorker {
    enum Outcome: Sendable {
        case durable
        /// There was no space. The directory is as good as before.
        case full
        case failed(String)
    }

    /// Only the worker's thread touches the directory once the loop runs; the lock is never contended and satisfies the
    /// compiler.
    private final class Guarded: Sendable {
        private let directory: Mutex<DurableDirectory>

        init(_ directory: sending DurableDirectory) {
            self.directory = Mutex(directory)
        }

        func execute(_ operations: [DiskOperation]) -> Outcome {
            directory.withLock { directory in
                do throws(DiskError) {
                    try directory.execute(operations)
                    return .durable
                } catch {
                    return error.isDiskFull ? .full : .failed("\(error)")
                }
            }
        }
    }

    private let worker: FileWorker
    private let directory: Guarded

    init(_ directory: sending DurableDirectory, on loop: Loop) throws(UVError) {
        self.directory = Guarded(directory)
        worker = try FileWorker(on: loop)
    }

    func run(_ operations: [DiskOperation], completion: @escaping (Outcome) -> Void) {
        worker.submit({ [directory] in directory.execute(operations) }, completion: completion)
    }
}
