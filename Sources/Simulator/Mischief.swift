import Primitives

/// What a link does to messages beyond losing, delaying and repeating them. Shares are thousandths of datagrams.
package struct Mischief: Hashable, Sendable {
    /// Held back by up to 50 ms, so that later ones overtake.
    package var reorderPerMille = 0
    package var corruptPerMille = 0
    package var truncatePerMille = 0
    /// An earlier datagram of anyone comes again along with this one.
    package var replayPerMille = 0
    /// Handed to a node that it was not meant for.
    package var misdeliverPerMille = 0
    /// Held back for seconds, on its own: others arrive meanwhile, and terms pass.
    package var stragglePerMille = 0
    /// Its sender claims to speak for another node's replica.
    package var impersonatePerMille = 0
    /// Arrives as if sent from elsewhere.
    package var strangeSourcePerMille = 0
    /// Until then nothing arrives, neither datagrams nor streams; then everything does.
    package var cloggedUntil: Instant = .zero
    /// The same for the stream only.
    package var stalledUntil: Instant = .zero

    package init() {}
}

/// Datagrams that someone recorded under way, to send them again one day. Bounded: the oldest gives way.
struct Recorder: Sendable {
    private static let limit = 256

    struct Recorded: Sendable {
        let bytes: [UInt8]
        let from: Int
        let to: Int
        /// Of the receiver. A later life would take a clear frame for a new one; sealed, it would not open.
        let life: Int
    }

    private var datagrams: [Recorded] = []
    private var oldest = 0

    mutating func record(_ datagram: Recorded) {
        if datagrams.count < Self.limit {
            datagrams.append(datagram)
        } else {
            datagrams[oldest] = datagram
            oldest = (oldest + 1) % Self.limit
        }
    }

    func draw(_ random: inout SeededRandom) -> Recorded? {
        random.element(of: datagrams)
    }
}
