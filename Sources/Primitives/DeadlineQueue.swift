/// A binary min-heap of values by deadline. Equal deadlines leave in the order they were added, so that two runs of
/// one seed agree.
///
/// Inlinable throughout: simulated worlds pop hundreds of thousands of events a second, and generic code of another
/// module is not specialised otherwise.
@usableFromInline package struct DeadlineQueue<Value: Sendable>: Sendable {
    @usableFromInline struct Item: Sendable {
        @usableFromInline let deadline: Instant
        @usableFromInline let sequence: UInt64
        @usableFromInline let value: Value

        @inlinable init(deadline: Instant, sequence: UInt64, value: Value) {
            self.deadline = deadline
            self.sequence = sequence
            self.value = value
        }

        @inlinable func precedes(_ other: Item) -> Bool {
            deadline == other.deadline ? sequence < other.sequence : deadline < other.deadline
        }
    }

    @usableFromInline var heap: [Item] = []
    @usableFromInline var nextSequence: UInt64 = 0

    @inlinable package init() {}

    @inlinable package var count: Int { heap.count }
    @inlinable package var isEmpty: Bool { heap.isEmpty }
    @inlinable package var nextDeadline: Instant? { heap.first?.deadline }

    @inlinable package mutating func add(_ value: Value, at deadline: Instant) {
        let item = Item(deadline: deadline, sequence: nextSequence, value: value)
        nextSequence += 1
        heap.append(item)
        siftUp(item)
    }

    /// Removes and returns the earliest value if its deadline is not after `now`.
    @inlinable package mutating func popDue(at now: Instant) -> (deadline: Instant, value: Value)? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty { siftDown(last) }
        return (first.deadline, first.value)
    }

    /// Moves parents down into the hole at the end until `item` fits there.
    @inlinable mutating func siftUp(_ item: Item) {
        var hole = heap.count - 1
        while hole > 0 {
            let parent = (hole - 1) / 2
            guard item.precedes(heap[parent]) else { break }
            heap[hole] = heap[parent]
            hole = parent
        }
        heap[hole] = item
    }

    /// Moves children up into the hole at the top until `item` fits there.
    @inlinable mutating func siftDown(_ item: Item) {
        var hole = 0
        while true {
            var child = 2 * hole + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
            guard heap[child].precedes(item) else { break }
            heap[hole] = heap[child]
            hole = child
        }
        heap[hole] = item
    }
}
