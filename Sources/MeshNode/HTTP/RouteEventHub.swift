import Synchronization

/// Hands each routed prompt's event (one line of JSON) from the gateway to every open event stream of this node.
///
/// Publishing never waits: a stream that does not keep up loses the oldest events. Nobody listening costs one lock.
package final class RouteEventHub: Sendable {
    private static let backlogMax = 64

    private struct State {
        var nextID = 0
        var listeners: [Int: AsyncStream<[UInt8]>.Continuation] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    package func publish(_ json: [UInt8]) {
        let listeners = state.withLock { Array($0.listeners.values) }
        for listener in listeners { listener.yield(json) }
    }

    package func subscribe() -> AsyncStream<[UInt8]> {
        let (stream, continuation) = AsyncStream<[UInt8]>.makeStream(bufferingPolicy: .bufferingNewest(Self.backlogMax))
        let id = state.withLock { state in
            state.nextID += 1
            state.listeners[state.nextID] = continuation
            return state.nextID
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.listeners.removeValue(forKey: id) }
        }
        return stream
    }
}
