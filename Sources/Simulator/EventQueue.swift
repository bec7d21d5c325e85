import Primitives

/// Everything that will happen in a world, earliest first; at equal moments in the order it was added, so that two runs
/// of one seed agree. A binary min-heap of plain numbers.
///
/// `DeadlineQueue` does the same for any value. This one is for one type only because generic code of another module is
/// not specialised here, and a world pops hundreds of thousands of events a second.
struct EventQueue: Sendable {
    private struct Item: Sendable {
        let at: Instant
        let sequence: UInt64
        let event: WorldEvent

        func precedes(_ other: Item) -> Bool {
            at == other.at ? sequence < other.sequence : at < other.at
        }
    }

    private var heap: [Item] = []
    private var nextSequence: UInt64 = 0

    mutating func add(_ event: WorldEvent, at: Instant) {
        let item = Item(at: at, sequence: nextSequence, event: event)
        nextSequence += 1
        heap.append(item)
        siftUp(item)
    }

    /// Removes and returns the earliest event if it is not after `limit`.
    mutating func popDue(at limit: Instant) -> (at: Instant, event: WorldEvent)? {
        guard let first = heap.first, first.at <= limit else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty { siftDown(last) }
        return (first.at, first.event)
    }

    /// Moves parents down into the hole at the end until `item` fits there.
    private mutating func siftUp(_ item: Item) {
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
    private mutating func siftDown(_ item: Item) {
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
