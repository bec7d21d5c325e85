import Authority
import NodeCore
import Primitives
import UVLoop

/// The brain on its loop thread, as the rest of the process sees it.
struct LoopCore: MeshCore {
    private let mailbox: CoreMailbox
    private let publisher: ViewPublisher

    init(mailbox: CoreMailbox, publisher: ViewPublisher) {
        self.mailbox = mailbox
        self.publisher = publisher
    }

    var view: ClusterView { publisher.view }
    func now() -> Instant { MonotonicClock.now() }
    func updates() -> AsyncStream<ClusterView> { publisher.updates() }

    func publish(_ section: HealthSection) {
        // A full mailbox drops it; a newer report follows soon.
        _ = mailbox.post(.publish(section))
    }

    func submit(_ command: AuthorityCommand) async throws(CoreRefusal) -> CommittedReply {
        switch await ask({ .submit(command, reply: $0) }) {
        case .committed(let reply, let index): return CommittedReply(reply: reply, index: index)
        case .refused(let refusal): throw refusal
        case .readable: preconditionFailure("a command is never answered like a read")
        }
    }

    func readBarrier() async throws(CoreRefusal) {
        switch await ask({ .readBarrier(reply: $0) }) {
        case .readable: return
        case .refused(let refusal): throw refusal
        case .committed: preconditionFailure("a read is never answered like a command")
        }
    }

    func removeMember(_ node: NodeID) async throws(CoreRefusal) {
        switch await ask({ .removeMember(node, reply: $0) }) {
        case .committed: return
        case .refused(let refusal): throw refusal
        case .readable: preconditionFailure("a removal is never answered like a read")
        }
    }

    /// The loop answers every letter it takes, also when it stops.
    private func ask(_ letter: (@escaping @Sendable (NodeAnswer) -> Void) -> CoreMailbox.Letter) async -> NodeAnswer {
        await withCheckedContinuation { continuation in
            let refusal = mailbox.post(letter { continuation.resume(returning: $0) })
            if let refusal { continuation.resume(returning: .refused(refusal)) }
        }
    }
}
