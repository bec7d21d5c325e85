import Primitives

/// Per sender: the latest boot epoch that was authenticated, and the replay window of that start.
///
/// Bounded: beyond `capacity` senders, the one heard longest ago is forgotten. Forgetting means that a frame recorded
/// from it earlier would open once more. Only holders of the cluster key can add senders, so getting there takes a
/// mesh of that size, or an insider, who needs no replays.
struct SenderLedger: Sendable {
    static let capacity = 1024

    private struct Sender: Sendable {
        var bootEpoch: UInt64
        var window = ReplayWindow()
        /// The ordinal of the latest accepted frame; unique, so that the oldest sender is a definite one.
        var heardAt: UInt64 = 0

        mutating func accept(_ counter: UInt64, at ordinal: UInt64) -> Bool {
            guard window.accept(counter) else { return false }
            heardAt = ordinal
            return true
        }
    }

    private var senders: [NodeID: Sender] = [:]
    private var acceptedCount: UInt64 = 0

    var count: Int { senders.count }

    /// Records an authenticated frame. False, and nothing changed, for an earlier start or a counter seen before.
    mutating func accept(_ node: NodeID, bootEpoch: UInt64, counter: UInt64) -> Bool {
        guard counter > 0 else { return false }
        if let known = senders[node] {
            guard bootEpoch >= known.bootEpoch else { return false }
            if bootEpoch > known.bootEpoch { senders[node] = Sender(bootEpoch: bootEpoch) }
        } else {
            if senders.count == Self.capacity { forgetOldest() }
            senders[node] = Sender(bootEpoch: bootEpoch)
        }
        acceptedCount += 1
        return senders[node]?.accept(counter, at: acceptedCount) ?? false
    }

    func checkInvariants() {
        precondition(senders.count <= Self.capacity, "\(senders.count) senders exceed \(Self.capacity)")
        precondition(senders.values.allSatisfy { $0.heardAt <= acceptedCount }, "a sender heard in the future")
    }

    /// Ordinals are unique: the dictionary's order does not matter.
    private mutating func forgetOldest() {
        guard let oldest = senders.min(by: { $0.value.heardAt < $1.value.heardAt })?.key else { return }
        senders[oldest] = nil
    }
}
