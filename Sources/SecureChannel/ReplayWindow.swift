/// Which of a sender's counters have been seen: a bitmap ring that slides with the highest (RFC 6479).
///
/// A counter is fresh if it is above the highest, or within `span` of it and not marked. Mark only after the frame has
/// been authenticated: a forger who could move the window would silence the sender.
package struct ReplayWindow: Sendable {
    private static let wordCount = 64
    /// How far behind the highest counter a late frame may be. One word less than the ring holds, so that sliding
    /// clears whole words.
    package static let span: UInt64 = UInt64(wordCount - 1) * 64

    private var words = [UInt64](repeating: 0, count: wordCount)
    package private(set) var highest: UInt64 = 0

    package init() {}

    /// Senders count from 1; 0 is never fresh.
    package func isFresh(_ counter: UInt64) -> Bool {
        guard counter > 0 else { return false }
        if counter > highest { return true }
        guard highest - counter < Self.span else { return false }
        return words[Self.word(counter)] & Self.bit(counter) == 0
    }

    /// Marks `counter` as seen; false, and nothing changed, if it was not fresh.
    package mutating func accept(_ counter: UInt64) -> Bool {
        guard isFresh(counter) else { return false }
        if counter > highest {
            let steps = min(counter / 64 - highest / 64, UInt64(Self.wordCount))
            let top = highest / 64
            for step in 0..<steps { words[Int((top + 1 + step) % UInt64(Self.wordCount))] = 0 }
            highest = counter
        }
        words[Self.word(counter)] |= Self.bit(counter)
        return true
    }

    private static func word(_ counter: UInt64) -> Int { Int((counter / 64) % UInt64(wordCount)) }
    private static func bit(_ counter: UInt64) -> UInt64 { 1 << (counter % 64) }
}
