import NIOCore
import Synchronization

/// Asks the core at once for all that arrived in one tick of an event loop: under load the brain's loop is then woken
/// for many requests, and not for each. Belongs to its event loop.
final class ValueQueue {
    private let core: any MeshCore
    private let loop: any EventLoop
    private var questions: [() -> Void] = []

    fileprivate init(core: any MeshCore, loop: any EventLoop) {
        self.core = core
        self.loop = loop
    }

    func add(_ question: @escaping () -> Void) {
        questions.append(question)
        guard questions.count == 1 else { return }
        let queue = NIOLoopBound(self, eventLoop: loop)
        // Tasks run when the tick's sockets have been read.
        loop.execute { queue.value.ask() }
    }

    private func ask() {
        let questions = questions
        self.questions.removeAll(keepingCapacity: true)
        core.together { for question in questions { question() } }
    }
}

/// The queues of all event loops.
final class ValueQueues: Sendable {
    private let core: any MeshCore
    private let queues = Mutex<[ObjectIdentifier: NIOLoopBound<ValueQueue>]>([:])

    init(core: any MeshCore) { self.core = core }

    /// The queue of the loop that this is called on.
    func queue(on loop: any EventLoop) -> ValueQueue {
        loop.preconditionInEventLoop()
        let bound = queues.withLock { queues in
            if let known = queues[ObjectIdentifier(loop)] { return known }
            let made = NIOLoopBound(ValueQueue(core: core, loop: loop), eventLoop: loop)
            queues[ObjectIdentifier(loop)] = made
            return made
        }
        return bound.value
    }
}
