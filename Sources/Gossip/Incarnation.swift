/// Which life of a member, and which word of that life, a statement is about (SWIM §4.2, extended).
///
/// SWIM's incarnation number restarts at zero with the process, so that a restarted member's "alive" loses against its
/// own tombstone. Ours begins with the boot epoch, which the node's disk counts up at every start; the counter advances
/// when a running member refutes a suspicion or moves. Only the owner ever advances either.
///
/// The boot nonce, drawn at each start, tells two lives of one epoch apart: a disk restored to an older state counts
/// its epochs once more, and a copied disk counts them in two places at once.
package struct Incarnation: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let bootEpoch: UInt64
    package let nonce: UInt32
    package let counter: UInt32

    package init(bootEpoch: UInt64, nonce: UInt32 = 0, counter: UInt32) {
        self.bootEpoch = bootEpoch
        self.nonce = nonce
        self.counter = counter
    }

    /// Larger epochs are refused by the decoder: one hostile record must not leave its subject without a successor.
    package static let bootEpochMax: UInt64 = 1 << 62

    package static func < (a: Incarnation, b: Incarnation) -> Bool {
        (a.bootEpoch, a.nonce, a.counter) < (b.bootEpoch, b.nonce, b.counter)
    }

    func isOfSameLife(as other: Incarnation) -> Bool { bootEpoch == other.bootEpoch && nonce == other.nonce }

    /// The owner's next incarnation. A used-up counter moves on to the next epoch.
    var next: Incarnation {
        counter < .max
            ? Incarnation(bootEpoch: bootEpoch, nonce: nonce, counter: counter + 1) : inNextEpoch
    }

    /// The first of a life's next boot epoch. At the very last one there is no successor.
    var inNextEpoch: Incarnation {
        Incarnation(bootEpoch: min(bootEpoch + 1, Self.bootEpochMax), nonce: nonce, counter: 0)
    }

    package var description: String { "\(bootEpoch).\(counter)" }
}
