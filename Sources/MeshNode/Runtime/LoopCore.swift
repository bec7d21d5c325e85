import Authority
import NodeCore
import Primitives
import UVLoop

/// The brain on its loop thread, as the rest of the process sees it. The loop answers every letter it takes, also when
/// it stops.
struct LoopCore: MeshCore {
    private let mailbox: CoreMailbox
    private let publisher: ViewPublisher
    let topics: TopicHub

    init(mailbox: CoreMailbox, publisher: ViewPublisher, topics: TopicHub) {
        self.mailbox = mailbox
        self.publisher = publisher
        self.topics = topics
    }

    var view: ClusterView { publisher.view }
    func now() -> Instant { MonotonicClock.now() }
    func updates() -> AsyncStream<ClusterView> { publisher.updates() }

    func together(_ body: () -> Void) { mailbox.together(body) }

    func publish(_ section: HealthSection) {
        // A full mailbox drops it; a newer report follows soon.
        _ = mailbox.post(.publish(section))
    }

    func broadcast(_ event: Broadcast) -> CoreRefusal? { mailbox.post(.broadcast(event)) }

    func submit(
        _ command: AuthorityCommand, then answer: @escaping @Sendable (Result<CommittedReply, CoreRefusal>) -> Void
    ) {
        let letter = CoreMailbox.Letter.submit(command) { outcome in
            switch outcome {
            case .committed(let reply, let index): answer(.success(CommittedReply(reply: reply, index: index)))
            case .refused(let refusal): answer(.failure(refusal))
            case .readable: preconditionFailure("a command is never answered like a read")
            }
        }
        if let refusal = mailbox.post(letter) { answer(.failure(refusal)) }
    }

    func readBarrier(then answer: @escaping @Sendable (Result<Void, CoreRefusal>) -> Void) {
        let letter = CoreMailbox.Letter.readBarrier { outcome in
            switch outcome {
            case .readable: answer(.success(()))
            case .refused(let refusal): answer(.failure(refusal))
            case .committed: preconditionFailure("a read is never answered like a command")
            }
        }
        if let refusal = mailbox.post(letter) { answer(.failure(refusal)) }
    }

    func removeMember(_ node: NodeID, then answer: @escaping @Sendable (Result<Void, CoreRefusal>) -> Void) {
        let letter = CoreMailbox.Letter.removeMember(node) { outcome in
            switch outcome {
            case .committed: answer(.success(()))
            case .refused(let refusal): answer(.failure(refusal))
            case .readable: preconditionFailure("a removal is never answered like a read")
            }
        }
        if let refusal = mailbox.post(letter) { answer(.failure(refusal)) }
    }
}
