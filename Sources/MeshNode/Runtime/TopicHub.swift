import Authority
import NodeCore
import Primitives
import Synchronization

/// Hands each event that nobody keeps from the loop to the streams that follow its topic here.
///
/// Delivering never waits. What a follower has not taken waits in its inbox, up to a limit; beyond it the follower is
/// too slow and is told so, rather than left to believe that it heard everything.
package final class TopicHub: Sendable {
    private struct State {
        var nextID = 0
        /// By their numbers.
        var followers: [Int: (topic: TopicName, inbox: TopicInbox)] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    package func deliver(_ event: Broadcast, from node: NodeID) {
        let inboxes = state.withLock { $0.followers.values.filter { $0.topic == event.topic }.map(\.inbox) }
        for inbox in inboxes { inbox.add(event, from: node) }
    }

    /// What comes from now on, until the inbox is forgotten.
    package func follow(_ topic: TopicName) -> TopicInbox {
        state.withLock { state in
            state.nextID += 1
            let number = state.nextID
            let inbox = TopicInbox { [weak self] in
                self?.state.withLock { _ = $0.followers.removeValue(forKey: number) }
            }
            state.followers[number] = (topic, inbox)
            return inbox
        }
    }
}

/// What waits for one follower. Bounded by `countMax`: what comes to a full one is lost, and noted.
package final class TopicInbox: Sendable {
    package static let countMax = 256

    package struct Delivery: Sendable {
        package let event: Broadcast
        package let node: NodeID
    }

    private struct State {
        var waiting: [Delivery] = []
        var hasLost = false
    }

    package let wakeups: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation
    private let state = Mutex(State())
    private let onLeaving: @Sendable () -> Void

    fileprivate init(onLeaving: @escaping @Sendable () -> Void) {
        (wakeups, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.onLeaving = onLeaving
    }

    fileprivate func add(_ event: Broadcast, from node: NodeID) {
        state.withLock {
            if $0.waiting.count < Self.countMax {
                $0.waiting.append(Delivery(event: event, node: node))
            } else {
                $0.hasLost = true
            }
        }
        wake()
    }

    package func wake() { continuation.yield() }
    package func finish() { continuation.finish() }
    package func leave() { onLeaving() }

    package func take() -> (deliveries: [Delivery], hasLost: Bool) {
        state.withLock { state in
            defer { state.waiting = [] }
            return (state.waiting, state.hasLost)
        }
    }
}
