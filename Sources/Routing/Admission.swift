/// The last word of a backend's own node: who generates now, who waits, who is refused.
///
/// `slots` run at once. Waiting is bounded and ordered by priority, first come first served within one. When the queue
/// is full, a request of higher priority takes the place of the youngest of the lowest priority, so that batch work
/// cannot lock people out. Priority is strict: training waits as long as inference is waiting.
package struct Admission: Sendable {
    package struct ID: Hashable, Comparable, Sendable {
        package let value: UInt64
        package init(_ value: UInt64) { self.value = value }
        package static func < (a: ID, b: ID) -> Bool { a.value < b.value }
    }

    package enum Verdict: Hashable, Sendable {
        /// Has a slot: generate now.
        case start
        /// Waits; `ahead` requests go first. `displaced` lost its place to this one: refuse it.
        case queued(ahead: Int, displaced: ID?)
        /// The queue is full of requests at least as urgent: answer 503 or bounce.
        case refused
    }

    private struct Waiting: Hashable, Sendable {
        let id: ID
        let tokens: Int
    }

    package let slots: Int
    package let queueMax: Int
    /// Only membership and count are used, never an order.
    private var running: Set<ID> = []
    /// One line for each priority, most urgent first; the head is served next.
    private var lines: [[Waiting]]
    /// Requests that ever got or waited for a slot; what `BackendReport.admitted` reports.
    package private(set) var admittedCount: UInt64 = 0

    package init(slots: Int, queueMax: Int = 256) {
        precondition(slots > 0 && queueMax >= 0, "admission with \(slots) slots and a queue of \(queueMax)")
        self.slots = slots
        self.queueMax = queueMax
        lines = Priority.allCases.map { _ in [] }
    }

    package var runningCount: Int { running.count }
    package var queuedCount: Int { lines.reduce(0) { $0 + $1.count } }
    package var queuedTokens: Int { lines.reduce(0) { $0 + $1.reduce(0) { $0 + $1.tokens } } }

    /// `tokens`: prompt plus expected output, for the load report. Traps if `id` is already known here.
    package mutating func admit(_ id: ID, priority: Priority, tokens: Int = 0) -> Verdict {
        precondition(!contains(id), "request \(id.value) was admitted twice")
        if running.count < slots {
            running.insert(id)
            admittedCount += 1
            return .start
        }
        let line = Self.line(of: priority)
        var displaced: ID?
        if queuedCount >= queueMax {
            guard let victimLine = lines.lastIndex(where: { !$0.isEmpty }), victimLine > line else { return .refused }
            displaced = lines[victimLine].removeLast().id
        }
        let ahead = lines[...line].reduce(0) { $0 + $1.count }
        lines[line].append(Waiting(id: id, tokens: max(0, tokens)))
        admittedCount += 1
        return .queued(ahead: ahead, displaced: displaced)
    }

    /// A request ended or was cancelled, running or waiting. Returns the one that starts in its place, if any. An
    /// unknown id changes nothing: an end and a cancel may cross.
    package mutating func release(_ id: ID) -> ID? {
        if running.remove(id) != nil { return startNext() }
        for line in lines.indices {
            if let position = lines[line].firstIndex(where: { $0.id == id }) {
                lines[line].remove(at: position)
                return nil
            }
        }
        return nil
    }

    /// The client went away. The same as `release`, in the caller's words.
    package mutating func cancel(_ id: ID) -> ID? { release(id) }

    package func isRunning(_ id: ID) -> Bool { running.contains(id) }
    package func contains(_ id: ID) -> Bool {
        running.contains(id) || lines.contains { $0.contains { $0.id == id } }
    }

    package func checkInvariants() {
        precondition(running.count <= slots, "\(running.count) requests run in \(slots) slots")
        precondition(queuedCount <= queueMax, "\(queuedCount) requests wait in a queue of \(queueMax)")
        precondition(
            running.count == slots || queuedCount == 0, "\(queuedCount) wait while \(running.count) of \(slots) run")
    }

    private mutating func startNext() -> ID? {
        guard let line = lines.firstIndex(where: { !$0.isEmpty }) else { return nil }
        let next = lines[line].removeFirst()
        running.insert(next.id)
        return next.id
    }

    private static func line(of priority: Priority) -> Int {
        switch priority {
        case .inference: 0
        case .health: 1
        case .processing: 2
        case .training: 3
        }
    }
}
