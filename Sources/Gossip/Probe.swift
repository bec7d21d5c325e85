import Primitives

/// One probe of one member (SWIM §3.1): a ping, then the same question through others, then a verdict.
///
///     sent ---------- directDeadline ---------------- verdictDeadline
///      ping  (silence)  ping-req to k others  (silence)  the member is suspected
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
