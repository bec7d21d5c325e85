import Foundation
import Logging
import NodeCore
import Primitives
import SecureChannel
import ServiceLifecycle
import Synchronization
import UVLoop

/// The loop thread as a service: starts it, and on a graceful shutdown lets the node say goodbye before it ends.
final class MeshService: Service {
    let core: LoopCore
    private let mailbox: CoreMailbox
    /// Handed to the thread that runs it, once.
    private let loop: Mutex<NodeLoop?>

    init(
        brain: NodeBrain, firstEffects: [NodeEffect], endpoint: Endpoint, keys: SharedKeys,
        membership: MembershipFiles,
        directory: sending DurableDirectory, logger: Logger
    ) throws(UVError) {
        mailbox = CoreMailbox()
        let publisher = ViewPublisher(brain.makeView(at: MonotonicClock.now()))
        let topics = TopicHub()
        core = LoopCore(mailbox: mailbox, publisher: publisher, topics: topics)
        loop = Mutex(
            try NodeLoop(
                brain: brain, firstEffects: firstEffects, endpoint: endpoint, keys: keys,
                membership: membership, directory: directory,
                mailbox: mailbox, publisher: publisher, topics: topics, logger: logger,
                wallClock: { Int64(Date().timeIntervalSince1970 * 1000) }))
    }

    func run() async throws {
        // Cancelled when another service failed to start: then, too, the loop must end.
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                do throws(UVError) {
                    _ = try NativeThread { [self] in
                        let loop = loop.withLock { loop in
                            defer { loop = nil }
                            return loop
                        }
                        loop?.run()
                        continuation.resume()
                    }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        } onCancelOrGracefulShutdown: { [mailbox] in
            _ = mailbox.post(.stop)
        }
    }
}
