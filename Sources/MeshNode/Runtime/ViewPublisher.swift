import NodeCore
import Synchronization

/// The newest view, for any thread to read, and a stream of newer ones for those who watch.
final class ViewPublisher: Sendable {
    private struct State {
        var view: ClusterView
        var nextWatcher = 0
        var watchers: [Int: AsyncStream<ClusterView>.Continuation] = [:]
    }

    private let state: Mutex<State>

    init(_ first: ClusterView) {
        state = Mutex(State(view: first))
    }

    var view: ClusterView { state.withLock { $0.view } }

    func publish(_ view: ClusterView) {
        let watchers = state.withLock { state in
            state.view = view
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher.yield(view) }
    }

    /// The current view and then every newer one; a slow watcher sees the newest only.
    func updates() -> AsyncStream<ClusterView> {
        let (stream, continuation) = AsyncStream<ClusterView>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            continuation.yield(state.view)
            state.nextWatcher += 1
            state.watchers[state.nextWatcher] = continuation
            return state.nextWatcher
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.watchers.removeValue(forKey: id) }
        }
        return stream
    }

    /// Ends every stream.
    func finish() {
        let watchers = state.withLock { state in
            defer { state.watchers = [:] }
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher.finish() }
    }
}
