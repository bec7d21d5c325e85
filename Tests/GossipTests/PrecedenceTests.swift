import Gossip
import Primitives
import Testing

@Suite("Precedence of claims")
struct PrecedenceTests {
    struct Row: Sendable {
        let held: MemberState
        let claim: MemberState
        /// What is held afterwards for an older, an equal and a newer incarnation of the claim; nil: no change.
        let older: MemberState?
        let equal: MemberState?
        let newer: MemberState?
    }

    /// SWIM §4.2, with `left` and the softened `dead`: every pair of states.
    static let table = [
        Row(held: .alive, claim: .alive, older: nil, equal: nil, newer: .alive),
        Row(held: .alive, claim: .suspect, older: nil, equal: .suspect, newer: .suspect),
        Row(held: .alive, claim: .dead, older: nil, equal: .suspect, newer: .suspect),
        Row(held: .alive, claim: .left, older: nil, equal: .left, newer: .left),
        Row(held: .suspect, claim: .alive, older: nil, equal: nil, newer: .alive),
        Row(held: .suspect, claim: .suspect, older: nil, equal: nil, newer: .suspect),
        Row(held: .suspect, claim: .dead, older: nil, equal: .dead, newer: .dead),
        Row(held: .suspect, claim: .left, older: nil, equal: .left, newer: .left),
        Row(held: .dead, claim: .alive, older: nil, equal: nil, newer: .alive),
        Row(held: .dead, claim: .suspect, older: nil, equal: nil, newer: .suspect),
        Row(held: .dead, claim: .dead, older: nil, equal: nil, newer: .dead),
        Row(held: .dead, claim: .left, older: nil, equal: .left, newer: .left),
        Row(held: .left, claim: .alive, older: nil, equal: nil, newer: .alive),
        Row(held: .left, claim: .suspect, older: nil, equal: nil, newer: .suspect),
        Row(held: .left, claim: .dead, older: nil, equal: nil, newer: .dead),
        Row(held: .left, claim: .left, older: nil, equal: nil, newer: .left),
    ]

    @Test("SWIM §4.2: each claim against each held state at each age", arguments: table)
    func row(_ row: Row) {
        #expect(Precedence.resolve(held: row.held, claim: row.claim, age: .older) == row.older)
        #expect(Precedence.resolve(held: row.held, claim: row.claim, age: .equal) == row.equal)
        #expect(Precedence.resolve(held: row.held, claim: row.claim, age: .newer) == row.newer)
    }

    @Test("the table names every pair")
    func completeness() {
        #expect(Self.table.count == MemberState.allCases.count * MemberState.allCases.count)
    }

    @Test("incarnations compare the boot epoch first")
    func incarnations() {
        let ascending = [(1, 0), (1, 7), (2, 0), (2, 1), (9, 0)].map {
            Incarnation(bootEpoch: UInt64($0.0), counter: UInt32($0.1))
        }
        for (low, high) in zip(ascending, ascending.dropFirst()) {
            #expect(low < high)
            #expect(Precedence.Age(of: low, comparedTo: high) == .older)
            #expect(Precedence.Age(of: high, comparedTo: low) == .newer)
            #expect(Precedence.Age(of: high, comparedTo: high) == .equal)
        }
    }
}

@Suite("Suspicion arithmetic")
struct SuspicionTests {
    struct Row: Sendable {
        let confirmations: Int
        let expected: Int
        let milliseconds: Int
    }

    /// min 1 s, max 6 s: 6000 - 5000 * log(c + 1) / log(k + 1).
    static let table = [
        Row(confirmations: 0, expected: 0, milliseconds: 6000),
        Row(confirmations: 3, expected: 0, milliseconds: 6000),
        Row(confirmations: 0, expected: 1, milliseconds: 6000),
        Row(confirmations: 1, expected: 1, milliseconds: 1000),
        Row(confirmations: 2, expected: 1, milliseconds: 1000),
        Row(confirmations: 0, expected: 2, milliseconds: 6000),
        Row(confirmations: 1, expected: 2, milliseconds: 2845),
        Row(confirmations: 2, expected: 2, milliseconds: 1000),
        Row(confirmations: 0, expected: 3, milliseconds: 6000),
        Row(confirmations: 1, expected: 3, milliseconds: 3500),
        Row(confirmations: 2, expected: 3, milliseconds: 2040),
        Row(confirmations: 3, expected: 3, milliseconds: 1000),
        Row(confirmations: 9, expected: 3, milliseconds: 1000),
        Row(confirmations: 3, expected: 400, milliseconds: 1000),
    ]

    @Test("Lifeguard §IV-B: confirmations shorten the countdown logarithmically, down to its minimum", arguments: table)
    func row(_ row: Row) {
        let span = Suspicion.timeout(
            min: .seconds(1), max: .seconds(6), confirmations: row.confirmations, expected: row.expected)
        #expect(span == .milliseconds(row.milliseconds))
    }
}
