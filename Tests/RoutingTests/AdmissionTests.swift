import Primitives
import Routing
import Testing

@Suite("Admission")
struct AdmissionTests {
    private func id(_ value: UInt64) -> Admission.ID { Admission.ID(value) }

    @Test("a transcript: slots fill, the rest queues by priority and then by arrival")
    func transcript() {
        var admission = Admission(slots: 1, queueMax: 8)
        #expect(admission.admit(id(1), priority: .training) == .start)
        #expect(admission.admit(id(2), priority: .training, tokens: 5) == .queued(ahead: 0, displaced: nil))
        #expect(admission.admit(id(3), priority: .inference, tokens: 7) == .queued(ahead: 0, displaced: nil))
        #expect(admission.admit(id(4), priority: .processing) == .queued(ahead: 1, displaced: nil))
        #expect(admission.admit(id(5), priority: .health) == .queued(ahead: 1, displaced: nil))
        #expect(admission.admit(id(6), priority: .inference) == .queued(ahead: 1, displaced: nil))
        #expect(admission.queuedTokens == 12)
        var order: [UInt64] = []
        var next = admission.release(id(1))
        while let started = next {
            order.append(started.value)
            next = admission.release(started)
        }
        #expect(order == [3, 6, 5, 4, 2])
        #expect(admission.runningCount == 0)
    }

    @Test("a full queue refuses its equals and gives way to the more urgent")
    func fullQueue() {
        var admission = Admission(slots: 1, queueMax: 2)
        _ = admission.admit(id(1), priority: .training)
        _ = admission.admit(id(2), priority: .training)
        _ = admission.admit(id(3), priority: .training)
        #expect(admission.admit(id(4), priority: .training) == .refused)
        #expect(admission.admit(id(5), priority: .inference) == .queued(ahead: 0, displaced: id(3)))
        #expect(!admission.contains(id(3)) && !admission.contains(id(4)))
        #expect(admission.admit(id(6), priority: .inference) == .queued(ahead: 1, displaced: id(2)))
        #expect(admission.admit(id(7), priority: .inference) == .refused)
    }

    @Test("releasing or cancelling twice, or an unknown request, changes nothing")
    func releaseTwice() {
        var admission = Admission(slots: 1, queueMax: 4)
        for number in UInt64(1)...3 { _ = admission.admit(id(number), priority: .inference) }
        #expect(admission.release(id(1)) == id(2))
        #expect(admission.release(id(1)) == nil)
        #expect(admission.cancel(id(99)) == nil)
        #expect((admission.runningCount, admission.queuedCount) == (1, 1))
    }

    @Test("over 100,000 random steps slots are never exceeded, order holds, and no slot leaks", arguments: [1, 2, 3])
    func randomSteps(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var admission = Admission(slots: 4, queueMax: 12)
        var waiting: [(id: Admission.ID, priority: Priority)] = []
        var running: [Admission.ID] = []
        var cancels = 0
        func start(_ next: Admission.ID?) {
            guard let next else { return }
            let most = waiting.map(\.priority).max()
            #expect(waiting.first { $0.priority == most }?.id == next, "seed \(seed)")
            waiting.removeAll { $0.id == next }
            running.append(next)
        }
        for step in UInt64(0)..<100_000 {
            switch random.below(5) {
            case 0, 1, 2:
                guard let priority = random.element(of: Priority.allCases) else { break }
                switch admission.admit(id(step), priority: priority) {
                case .start: running.append(id(step))
                case .queued(_, let displaced):
                    waiting.removeAll { $0.id == displaced }
                    waiting.append((id(step), priority))
                case .refused: break
                }
            case 3 where !running.isEmpty:
                start(admission.release(running.remove(at: random.below(running.count))))
            case 4 where !waiting.isEmpty:
                cancels += 1
                let position = random.below(waiting.count)
                start(admission.cancel(waiting.remove(at: position).id))
            default: break
            }
            admission.checkInvariants()
            if (admission.runningCount, admission.queuedCount) != (running.count, waiting.count) {
                Issue.record("seed \(seed) step \(step): a slot leaked")
                return
            }
        }
        #expect(cancels > 10_000)
        while let last = running.popLast() { start(admission.release(last)) }
        #expect((admission.runningCount, admission.queuedCount) == (0, 0))
    }
}

@Suite("Attempt budget")
struct AttemptBudgetTests {
    @Test("three attempts in all, whatever they are called")
    func oneBudget() {
        var random = SeededRandom(seed: 1)
        var budget = AttemptBudget()
        #expect(budget.take(.first, random: &random) == .attempt(after: .zero))
        #expect(budget.take(.bounce, random: &random) == .attempt(after: .zero))
        #expect(budget.take(.hedge, random: &random) == .attempt(after: .zero))
        #expect(budget.take(.retry, random: &random) == .exhausted)
    }

    @Test("nothing is repeated once a token was shown")
    func visibleToken() {
        var random = SeededRandom(seed: 1)
        var budget = AttemptBudget()
        _ = budget.take(.first, random: &random)
        budget.noteVisibleToken()
        for reason in AttemptBudget.Reason.allCases {
            #expect(budget.take(reason, random: &random) == .tokenVisible)
        }
        #expect(budget.attempts == 1)
    }

    @Test("retries wait twice as long each time, with jitter, up to a limit")
    func backoff() {
        var policy = RetryPolicy()
        policy.attemptsMax = 10
        var random = SeededRandom(seed: 5)
        var budget = AttemptBudget(policy: policy)
        _ = budget.take(.first, random: &random)
        let ceilings: [Int64] = [20, 40, 80, 160, 320, 640, 1000, 1000, 1000]
        var seen: Set<Duration> = []
        for ceiling in ceilings {
            guard case .attempt(let delay) = budget.take(.retry, random: &random) else {
                Issue.record("no attempt was left")
                return
            }
            #expect(delay >= .milliseconds(ceiling) / 2 && delay <= .milliseconds(ceiling))
            seen.insert(delay)
        }
        #expect(seen.count == ceilings.count)
    }
}
