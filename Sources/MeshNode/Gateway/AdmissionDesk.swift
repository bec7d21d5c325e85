import Routing
import Synchronization

/// Where requests for one backend wait their turn, from whichever event loop they come. `Admission` decides; this
/// remembers whom to call.
package final class AdmissionDesk: Sendable {
    package enum Turn: Sendable {
        /// A slot is yours; `leave` gives it back.
        case begin
        /// A more urgent request took the place in the queue.
        case displaced
    }

    package enum Verdict: Sendable {
        case begin(Admission.ID)
        case wait(Admission.ID)
        case refused
    }

    private struct State {
        var admission: Admission
        var waiting: [Admission.ID: @Sendable (Turn) -> Void] = [:]
        var nextID: UInt64 = 1
    }

    private let state: Mutex<State>

    package init(slots: Int, queueMax: Int) {
        state = Mutex(State(admission: Admission(slots: slots, queueMax: queueMax)))
    }

    /// - Parameter turn: called at most once, on any thread, and only after `wait` was answered. It may come after
    ///   `leave`, when both were under way at once.
    package func enter(
        priority: Priority, tokens: Int, turn: @escaping @Sendable (Turn) -> Void
    ) -> Verdict {
        let (verdict, displaced) = state.withLock { state -> (Verdict, (@Sendable (Turn) -> Void)?) in
            let id = Admission.ID(state.nextID)
            state.nextID += 1
            switch state.admission.admit(id, priority: priority, tokens: tokens) {
            case .start: return (.begin(id), nil)
            case .refused: return (.refused, nil)
            case .queued(_, let displaced):
                state.waiting[id] = turn
                return (.wait(id), displaced.flatMap { state.waiting.removeValue(forKey: $0) })
            }
        }
        displaced?(.displaced)
        return verdict
    }

    /// Ends a request's stay, running or waiting; the next one begins.
    package func leave(_ id: Admission.ID) {
        let next = state.withLock { state -> (@Sendable (Turn) -> Void)? in
            state.waiting.removeValue(forKey: id)
            return state.admission.release(id).flatMap { state.waiting.removeValue(forKey: $0) }
        }
        next?(.begin)
    }

    package struct Counts: Hashable, Sendable {
        package let running: Int
        package let queued: Int
        package let queuedTokens: Int
        package let admitted: UInt64
    }

    package var counts: Counts {
        state.withLock {
            Counts(
                running: $0.admission.runningCount, queued: $0.admission.queuedCount,
                queuedTokens: $0.admission.queuedTokens, admitted: $0.admission.admittedCount)
        }
    }

    package func checkInvariants() {
        state.withLock { state in
            state.admission.checkInvariants()
            precondition(
                state.waiting.count == state.admission.queuedCount,
                "\(state.waiting.count) callers wait for \(state.admission.queuedCount) places")
        }
    }
}
