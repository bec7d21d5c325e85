import Primitives
import Synchronization
import Testing
import UVLoop

@Suite struct ThreadTests {
    @Test func `ten thousand triggers from other threads lose no mail`() throws {
        let bounded = try BoundedLoop()
        let loop = bounded.loop
        let box = Mailbox()
        let taken = Log<Int>()
        let wakeup = try Wakeup(on: loop) {
            taken.items += box.takeAll()
            if taken.items.count == 10_000 { loop.stop() }
        }
        let signal = wakeup.signal
        let threads = try (0..<4).map { thread in
            try NativeThread {
                for index in 0..<2_500 {
                    box.add(thread * 2_500 + index)
                    signal.trigger()
                }
            }
        }
        bounded.run()
        for thread in threads { thread.join() }
        #expect(taken.items.sorted() == Array(0..<10_000))
    }

    @Test func `a trigger after the loop has ended does nothing`() throws {
        let loop = try Loop()
        let wakeup = try Wakeup(on: loop) {}
        let signal = wakeup.signal
        loop.stop()
        loop.run()
        signal.trigger()
        #expect(loop.openHandleCount == 0)
    }

    @Test func `file work is done in order, elsewhere, and answered in order, here`() throws {
        let bounded = try BoundedLoop()
        let worker = try FileWorker(on: bounded.loop)
        let done = Mailbox()
        let answered = Log<Int>()
        for index in 0..<200 {
            worker.submit {
                done.add(index)
                return index * 2
            } completion: { result in
                answered.items.append(result)
                if answered.items.count == 200 { bounded.loop.stop() }
            }
        }
        #expect(worker.pendingCount == 200)
        bounded.run()
        #expect(done.takeAll() == Array(0..<200))
        #expect(answered.items == (0..<200).map { $0 * 2 })
        #expect(worker.pendingCount == 0)
    }

    @Test func `a completion may submit more work`() throws {
        let bounded = try BoundedLoop()
        let worker = try FileWorker(on: bounded.loop)
        let steps = Log<Int>()
        func step(_ index: Int) {
            worker.submit {
                index
            } completion: { result in
                steps.items.append(result)
                if result == 50 { bounded.loop.stop() } else { step(result + 1) }
            }
        }
        step(0)
        bounded.run()
        #expect(steps.items == Array(0...50))
    }

    @Test func `work in hand when the loop stops is finished, and its completion is not called`() throws {
        let bounded = try BoundedLoop()
        let worker = try FileWorker(on: bounded.loop)
        let done = Mailbox()
        let answered = Counter()
        for index in 0..<20 {
            worker.submit {
                done.add(index)
            } completion: {
                answered.value += 1
            }
        }
        bounded.loop.stop()
        bounded.run()
        #expect(done.takeAll() == Array(0..<20))
        #expect(answered.value == 0)
        worker.submit {
            done.add(99)
        } completion: {
            answered.value += 1
        }
        #expect(done.takeAll().isEmpty)
        #expect(worker.pendingCount == 20)
    }
}

/// What several threads put in and one takes out.
final class Mailbox: Sendable {
    private let items = Mutex<[Int]>([])
    func add(_ item: Int) { items.withLock { $0.append(item) } }
    func takeAll() -> [Int] {
        items.withLock { items in
            defer { items = [] }
            return items
        }
    }
}
