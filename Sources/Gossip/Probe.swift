import Primitives

/// One probe of one member (SWIM §3.1): a ping, then the same question through others, then a verdict.
///
///     sent ---------- directDeadline ---------------- verdictDeadline
///      ping  (silence)  ping-req to k others  (silence)  the member is suspected
///                       a second ping, and one on a stream
///
/// An urgent probe, of a member that someone else already doubts, asks the others at once.
struct Probe: Sendable {
    let sequence: UInt32
    let sentAt: Instant
    var directDeadline: Instant
    var verdictDeadline: Instant
    /// Who was asked to ping in our place.
    var proxies: [NodeID] = []
    /// Of these, who owes us an answer still, if only that it got none (Lifeguard's nack).
    var owing: [NodeID] = []
    var isIndirect = false
    /// The second ping: numbered on its own, so that its answer measures the path and not the wait before it.
    var repeated: (sequence: UInt32, sentAt: Instant)?

    /// When the ping with this number left; nil if it is not one of ours.
    func sentAt(_ sequence: UInt32) -> Instant? {
        if sequence == self.sequence { return sentAt }
        return repeated.flatMap { $0.sequence == sequence ? $0.sentAt : nil }
    }

    var deadline: Instant { isIndirect ? verdictDeadline : directDeadline }
}

/// A ping sent on behalf of another member, whose answer is passed on.
struct Relay: Sendable {
    let requester: NodeID
    let requesterEndpoint: Endpoint
    /// The requester's number of its question, and ours.
    let requesterSequence: UInt32
    let sequence: UInt32
    let target: NodeID
    /// When to answer that nothing was heard.
    let deadline: Instant
}
