import Primitives

/// Which direct links are silent, and through whom a silent peer can be reached.
///
/// A link counts as silent when something was sent on it and nothing came back for half an election timeout. That is
/// a guess, and a wrong one costs only a few frames more: what is relayed is sent directly as well.
struct PeerLinks: Sendable {
    /// At most so many peers are asked to pass one message on.
    static let relaysMax = 3
    /// Passed on for one peer in a second, in datagrams; more is dropped as if lost.
    static let forwardsPerSecondMax = 4_000

    private struct Link: Sendable {
        var heardAt: Instant?
        /// When the first frame left that nothing has answered.
        var unansweredSince: Instant?
        /// The peer through which a frame of this one last arrived, and when.
        var arrivedThrough: (place: Int, at: Instant)?
        var forwards = 0
        var forwardsCountedSince: Instant = .zero
    }

    private var links: [Link]

    init(count: Int) { links = Array(repeating: Link(), count: count) }

    mutating func grow(to count: Int) { links += Array(repeating: Link(), count: count - links.count) }

    /// A frame came directly from this peer.
    mutating func noteHeard(_ place: Int, at now: Instant) {
        links[place].heardAt = now
        links[place].unansweredSince = nil
    }

    mutating func noteSent(_ place: Int, at now: Instant) {
        if links[place].unansweredSince == nil { links[place].unansweredSince = now }
    }

    /// A frame of `origin` came through `relay`, and says that it hears nothing directly: answers must go the same way.
    mutating func noteRelayed(from origin: Int, through relay: Int, at now: Instant) {
        links[origin].arrivedThrough = (relay, now)
    }

    /// What was sent on the link was not answered on it.
    func isDeaf(to place: Int, after timeout: Duration, at now: Instant) -> Bool {
        guard let since = links[place].unansweredSince else { return false }
        let silence = now - since
        return silence + silence >= timeout
    }

    /// Nothing comes back on it, or the peer says that nothing arrives there.
    func isSilent(_ place: Int, after timeout: Duration, at now: Instant) -> Bool {
        if isDeaf(to: place, after: timeout, at: now) { return true }
        return links[place].arrivedThrough.map { now - $0.at < timeout } ?? false
    }

    /// Peers that are heard themselves: the one that lately brought something from `place`, or all up to a few.
    func relays(to place: Int, timeout: Duration, at now: Instant) -> [Int] {
        if let through = links[place].arrivedThrough, now - through.at < timeout { return [through.place] }
        let heard = links.indices.filter { other in
            other != place && links[other].heardAt.map { now - $0 < timeout * 4 } ?? false
                && links[other].unansweredSince.map { now - $0 < timeout / 2 } ?? true
        }
        return Array(heard.prefix(Self.relaysMax))
    }

    /// Whether so many bytes more may be passed on for this peer now. One of the largest frames may always.
    mutating func mayForward(_ bytes: Int, for place: Int, at now: Instant) -> Bool {
        if now - links[place].forwardsCountedSince >= .seconds(1) {
            links[place].forwardsCountedSince = now
            links[place].forwards = 0
        }
        defer { links[place].forwards += 1 + bytes / NodeTiming.datagramBytesMax }
        return links[place].forwards < Self.forwardsPerSecondMax
    }
}
