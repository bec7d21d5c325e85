import Primitives

/// Whom an observer that no leader serves asks next, and when (`ObserverTree`).
///
///     due --ask source n--> answered: ask it again after an interval
///                      \--> silent for E: source n + 1, and at last the first again
///
/// While it makes do with a later source it asks the first one as well now and then, and goes back to who answers.
struct Upstream: Sendable {
    /// Questions to a later source for each to the first.
    private static let questionsBetweenReturns = 8

    /// When to ask.
    private(set) var dueAt: Instant
    /// Place among the sources.
    private(set) var step = 0
    /// Since when the source at `step` has owed an answer.
    private var silentSince: Instant?
    private var questions = 0

    /// Asks nobody before `moment`.
    init(from moment: Instant) { dueAt = moment }

    /// A leader speaks to this observer.
    mutating func noteServed(until moment: Instant) { self = Upstream(from: moment) }

    /// It answered; `hasMore` if it holds more than the answer brought.
    mutating func noteAnswer(from place: Int, hasMore: Bool, at now: Instant) {
        guard place <= step else { return }
        step = place
        silentSince = nil
        if hasMore { dueAt = now }
    }

    /// Places of the sources to ask now, of so many.
    mutating func ask(of count: Int, patience: Duration, interval: Duration, at now: Instant) -> [Int] {
        if let silentSince, now - silentSince >= patience {
            step += 1
            self.silentSince = now
        }
        if step >= count { step = 0 }
        if silentSince == nil { silentSince = now }
        dueAt = now + interval
        questions += 1
        return step > 0 && questions % Self.questionsBetweenReturns == 0 ? [step, 0] : [step]
    }
}
