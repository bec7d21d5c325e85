/// Finds an order of operations, each at some moment between its call and its return, that a single register could have
/// gone through (Herlihy and Wing, 1990), or shows that there is none.
///
/// The search is Wing and Gong's (1993) as improved by Lowe ("Testing for linearizability", 2017): go forward through
/// the history, take any operation that has been called while none that is left has returned before it, and go back
/// where a return comes up that was not placed. Situations that were reached before, which are the set of placed
/// operations and the register's value, are not searched again. Keys do not influence each other, so each is searched
/// by itself (Horn and Kroening, 2015).
///
/// Operations of unknown outcome stand apart: they need not be placed at all, and may be placed as late as one likes. So
/// each can wait until the very next operation sees what it did and could not have gone before it: otherwise it changes
/// places with that operation, or is left out. Of those that write the same, or what nobody saw, the first is tried before
/// the others. Without these two rules a hundred lost writes would make as many searches as they have subsets.
///
/// The set of placed operations is remembered by a hash of 128 bits, which two sets share once in 2^64 searches.
package struct LinearizabilityChecker: Sendable {
    package enum Verdict: Hashable, Sendable {
        case linearizable
        /// The operation at which every order fails, of those that get furthest.
        case impossible(RegisterOperation)
        /// The search was given up.
        case undecided
    }

    /// Situations after which a search is given up.
    package static let situationsMax = 2_000_000

    private struct Situation: Hashable {
        let high: UInt64
        let low: UInt64
        let value: Int?
    }

    /// Where a step of the search stands among its candidates.
    private enum Cursor {
        /// A place of the list of calls and returns.
        case known(Int)
        case unknown(Int)
    }

    /// What the register held before an operation of unknown outcome that nothing explains yet.
    private struct Unexplained {
        let value: Int?
    }

    /// An operation that was placed, and how to take it back.
    private struct Step {
        let cursor: Cursor
        let formerValue: Int?
        let formerlyUnexplained: Unexplained?
        /// Place in the history of the first return that was left.
        let bound: Int
    }

    /// Those that returned, and those that did not; by their calls.
    private let known: [RegisterOperation]
    private let unknown: [RegisterOperation]
    /// A list of calls and returns in order of time, linked so that taking one out and putting it back cost nothing. Node
    /// 0 is its head, 2n + 1 the call and 2n + 2 the return of operation n; 0 also ends it.
    private var next: [Int]
    private var previous: [Int]
    private var isUnknownPlaced: [Bool]
    /// Of each of unknown outcome: the one before it that does the same.
    private let twins: [Int?]
    private var unexplained: Unexplained?
    private var value: Int?
    private var high: UInt64 = 0
    private var low: UInt64 = 0
    private var left: Int

    /// Judges one register, which begins without a value.
    package static func check(
        _ operations: [RegisterOperation], situationsMax: Int = situationsMax
    ) -> Verdict {
        var checker = LinearizabilityChecker(operations)
        return checker.search(situationsMax: situationsMax)
    }

    private init(_ operations: [RegisterOperation]) {
        known = operations.filter { $0.ret != nil }
        (unknown, twins) = Self.explaining(operations)
        isUnknownPlaced = Array(repeating: false, count: unknown.count)
        left = known.count
        next = Array(repeating: 0, count: 2 * known.count + 1)
        previous = next
        let calls = known.indices.map { (place: known[$0].call, node: 2 * $0 + 1) }
        let returns = known.indices.map { (place: known[$0].ret ?? .max, node: 2 * $0 + 2) }
        var last = 0
        for event in (calls + returns).sorted(by: { $0.place < $1.place }) {
            next[last] = event.node
            previous[event.node] = last
            last = event.node
        }
        previous[0] = last
    }

    /// The operations of unknown outcome that can make a difference, and for each the one before it that does the same.
    private static func explaining(_ operations: [RegisterOperation]) -> ([RegisterOperation], [Int?]) {
        var seen: Set<Int?> = []
        var isAnyCompared = false
        for operation in operations {
            switch operation.action {
            case .read(let value): seen.insert(value)
            case .swap(let old, _): seen.insert(old)
            case .differs: isAnyCompared = true
            case .write: break
            }
        }
        let kept = operations.filter { operation in
            guard operation.ret == nil else { return false }
            switch operation.action {
            case .write(let value), .swap(_, let value): return isAnyCompared || seen.contains(value)
            case .read, .differs: return false
            }
        }
        var unseen: Int?
        var last: [Int?: Int] = [:]
        let twins: [Int?] = kept.indices.map { number in
            guard case .write(let value) = kept[number].action else { return nil }
            guard !seen.contains(value) else { return last.updateValue(number, forKey: value) }
            defer { unseen = number }
            return unseen
        }
        return (kept, twins)
    }

    // MARK: Search

    private mutating func search(situationsMax: Int) -> Verdict {
        var steps: [Step] = []
        var reached: Set<Situation> = []
        var bound = firstReturn()
        var cursor = Cursor.known(next[0])
        var furthest = (left: Int.max, operation: 0)
        while left > 0 {
            switch candidate(cursor, bound: bound, &furthest) {
            case .next(let following): cursor = following
            case .place(let operation, let value):
                let step = Step(
                    cursor: cursor, formerValue: self.value, formerlyUnexplained: unexplained, bound: bound)
                place(cursor, operation, value)
                if unexplained != nil || reached.insert(Situation(high: high, low: low, value: value)).inserted {
                    if reached.count > situationsMax { return .undecided }
                    steps.append(step)
                    bound = firstReturn()
                    cursor = .known(next[0])
                } else {
                    takeBack(step)
                    cursor = following(cursor)
                }
            case .exhausted:
                guard let step = steps.popLast() else { return .impossible(known[furthest.operation]) }
                takeBack(step)
                bound = step.bound
                cursor = following(step.cursor)
            }
        }
        return .linearizable
    }

    private enum Candidate {
        case place(RegisterOperation, Int?)
        case next(Cursor)
        case exhausted
    }

    private func candidate(
        _ cursor: Cursor, bound: Int, _ furthest: inout (left: Int, operation: Int)
    ) -> Candidate {
        switch cursor {
        case .known(let node):
            let number = (node - 1) / 2
            if node.isMultiple(of: 2) {
                if left < furthest.left { furthest = (left, number) }
                return .next(.unknown(0))
            }
            if let value = outcome(of: known[number]) { return .place(known[number], value) }
            return .next(.known(next[node]))
        case .unknown(let number):
            guard number < unknown.count, unknown[number].call < bound else { return .exhausted }
            let isNext = !isUnknownPlaced[number] && (twins[number].map { isUnknownPlaced[$0] } ?? true)
            if isNext, let value = outcome(of: unknown[number]) { return .place(unknown[number], value) }
            return .next(.unknown(number + 1))
        }
    }

    /// What the register would hold after the operation; nil if it cannot, or need not, come next.
    private func outcome(of operation: RegisterOperation) -> Int?? {
        if let unexplained, operation.apply(to: unexplained.value) != nil { return nil }
        return operation.apply(to: value)
    }

    private func following(_ cursor: Cursor) -> Cursor {
        switch cursor {
        case .known(let node): .known(next[node])
        case .unknown(let number): .unknown(number + 1)
        }
    }

    /// Place in the history of the first return that is left.
    private func firstReturn() -> Int {
        var node = next[0]
        while node != 0, !node.isMultiple(of: 2) { node = next[node] }
        return node == 0 ? .max : known[(node - 1) / 2].ret ?? .max
    }

    private mutating func place(_ cursor: Cursor, _ operation: RegisterOperation, _ value: Int?) {
        unexplained = nil
        if case .unknown = cursor { unexplained = Unexplained(value: self.value) }
        self.value = value
        mark(operation)
        switch cursor {
        case .known(let call):
            for node in [call, call + 1] {
                next[previous[node]] = next[node]
                previous[next[node]] = previous[node]
            }
            left -= 1
        case .unknown(let number): isUnknownPlaced[number] = true
        }
    }

    private mutating func takeBack(_ step: Step) {
        value = step.formerValue
        unexplained = step.formerlyUnexplained
        switch step.cursor {
        case .known(let call):
            for node in [call + 1, call] {
                next[previous[node]] = node
                previous[next[node]] = node
            }
            left += 1
            mark(known[(call - 1) / 2])
        case .unknown(let number):
            isUnknownPlaced[number] = false
            mark(unknown[number])
        }
    }

    /// Adds the operation to the hash of the set, or takes it away again.
    private mutating func mark(_ operation: RegisterOperation) {
        high ^= Self.mixed(UInt64(operation.call) &* 2)
        low ^= Self.mixed(UInt64(operation.call) &* 2 &+ 1)
    }

    /// Steele, Lea and Flood's SplitMix64.
    private static func mixed(_ word: UInt64) -> UInt64 {
        var word = word &+ 0x9E37_79B9_7F4A_7C15
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
