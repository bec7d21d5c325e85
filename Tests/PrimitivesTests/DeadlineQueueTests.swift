import Primitives
import Testing

@Suite struct DeadlineQueueTests {
    private func at(_ nanoseconds: Int64) -> Instant { Instant(nanoseconds: nanoseconds) }

    @Test func `equal deadlines leave in the order they came`() {
        var queue = DeadlineQueue<Int>()
        for value in 0..<50 { queue.add(value, at: at(7)) }
        var left: [Int] = []
        while let item = queue.popDue(at: at(7)) { left.append(item.value) }
        #expect(left == Array(0..<50))
        #expect(queue.isEmpty)
    }

    @Test func `nothing leaves before its deadline`() {
        var queue = DeadlineQueue<String>()
        queue.add("later", at: at(10))
        queue.add("sooner", at: at(5))
        #expect(queue.nextDeadline == at(5))
        #expect(queue.popDue(at: at(4)) == nil)
        #expect(queue.popDue(at: at(5))?.value == "sooner")
        #expect(queue.popDue(at: at(9)) == nil)
        #expect(queue.count == 1)
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func `it agrees with a stably sorted list`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var queue = DeadlineQueue<Int>()
        var model: [(deadline: Instant, value: Int)] = []
        for step in 0..<500 {
            if random.chance(3, in: 5) {
                let deadline = at(Int64(random.below(40)))
                queue.add(step, at: deadline)
                let place = model.firstIndex { $0.deadline > deadline } ?? model.count
                model.insert((deadline, step), at: place)
            } else {
                let now = at(Int64(random.below(40)))
                let expected = model.first.flatMap { $0.deadline <= now ? model.removeFirst() : nil }
                let popped = queue.popDue(at: now)
                #expect(popped?.value == expected?.value, "seed \(seed) step \(step)")
                #expect(popped?.deadline == expected?.deadline)
            }
            #expect(queue.count == model.count)
            #expect(queue.nextDeadline == model.first?.deadline)
        }
    }
}
