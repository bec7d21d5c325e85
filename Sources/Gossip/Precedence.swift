/// Which of two statements about one member stands: SWIM §4.2's override rules, completed for `left` and as a table.
///
/// Two deliberate deviations:
/// - `dead` never overrides `alive` directly; it makes the member suspect, so that the member is told and can refute.
///   A healed partition would otherwise bury members that their own side talks to (memberlist merges the same way).
/// - `left` outranks `dead` at one incarnation: a goodbye says more than silence.
package enum Precedence {
    /// The state to hold after hearing `claim` at an incarnation older than, equal to or newer than ours. Returns nil
    /// if what we hold stands. The incarnation to hold is the newer one.
    package static func resolve(held: MemberState, claim: MemberState, age: Age) -> MemberState? {
        switch age {
        case .older: return nil
        case .equal: return claim > held ? soften(claim, over: held) : nil
        case .newer: return soften(claim, over: held)
        }
    }

    package enum Age: Sendable, CaseIterable {
        case older
        case equal
        case newer

        package init(of claim: Incarnation, comparedTo held: Incarnation) {
            self = claim < held ? .older : claim == held ? .equal : .newer
        }
    }

    private static func soften(_ claim: MemberState, over held: MemberState) -> MemberState {
        claim == .dead && held == .alive ? .suspect : claim
    }
}
