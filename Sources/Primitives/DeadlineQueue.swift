/// A binary min-heap of values by deadline. Equal deadlines leave in the order they were added, so that two runs of
/// one seed agree.
package struct DeadlineQueue<Value: Sendable>: Sendable {
    private struct Item: Sendable {
        let deadline: Instant
        let sequence: UInt64
        let value: Value
    }

    private var heap: [Item] = []
    private var nextSequence: UInt64 = 0

    package init() {}

    package var count: Int { heap.count }
    package var isEmpty: Bool { heap.isEmpty }
    package var nextDeadline: Instant? { heap.first?.deadline }

    package mutating func add(_ value: Value, at deadline: Instant) {
        heap.append(Item(deadline: deadline, sequence: nextSequence, value: value))
        nextSequence += 1
        siftUp(heap.count - 1)
    }

    /// Removes and returns the earliest value if its deadline is not after `now`.
    package mutating func popDue(at now: Instant) -> (deadline: Instant, value: Value)? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            siftDown(0)
        }
        return (first.deadline, first.value)
    }

    private func precedes(_ a: Int, _ b: Int) -> Bool {
        (heap[a].deadline, heap[a].sequence) < (heap[b].deadline, heap[b].sequence)
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard precedes(child, parent) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(child, least) {
                least = child
            }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
