import Authority
import NodeCore
import Primitives
import Synchronization
import UVLoop

/// What other threads ask of the loop thread. Bounded: a full mailbox refuses before anything is appended.
final class CoreMailbox: Sendable {
    enum Letter: Sendable {
        case submit(AuthorityCommand, reply: @Sendable (NodeAnswer) -> Void)
        case readBarrier(reply: @Sendable (NodeAnswer) -> Void)
        case removeMember(NodeID, reply: @Sendable (NodeAnswer) -> Void)
        case publish(HealthSection)
        case broadcast(Broadcast)
        /// Say goodbye to the mesh, then stop the loop.
        case stop
    }

    static let capacity = 4096

    private struct State {
        var letters: [Letter] = []
        var signal: Wakeup.Signal?
        var isClosed = false
        /// Threads that are about to wake the loop for what they post.
        var gathering = 0
    }

    private let state = Mutex(State())

    /// Called once by the loop thread, before it takes letters.
    func connect(_ signal: Wakeup.Signal) {
        let isWaiting = state.withLock {
            $0.signal = signal
            return !$0.letters.isEmpty
        }
        if isWaiting { signal.trigger() }
    }

    /// Returns nil if the letter was taken, or why it was not.
    func post(_ letter: Letter) -> CoreRefusal? {
        let (refusal, signal) = state.withLock { state -> (CoreRefusal?, Wakeup.Signal?) in
            if state.isClosed { return (.stopping, nil) }
            if state.letters.count >= Self.capacity { return (.overloaded, nil) }
            state.letters.append(letter)
            // The loop takes all letters at once: only the first needs to wake it.
            return (nil, state.letters.count == 1 && state.gathering == 0 ? state.signal : nil)
        }
        signal?.trigger()
        return refusal
    }

    /// What `body` posts wakes the loop once, when it is all there.
    func together(_ body: () -> Void) {
        state.withLock { $0.gathering += 1 }
        body()
        let signal = state.withLock { state in
            state.gathering -= 1
            return state.letters.isEmpty ? nil : state.signal
        }
        signal?.trigger()
    }

    func takeAll() -> [Letter] {
        state.withLock { state in
            defer { state.letters = [] }
            return state.letters
        }
    }

    /// Refuses every later letter; returns the ones that nobody will take any more.
    func close() -> [Letter] {
        state.withLock { state in
            state.isClosed = true
            state.signal = nil
            defer { state.letters = [] }
            return state.letters
        }
    }
}
