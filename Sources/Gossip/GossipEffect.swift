import Primitives

/// What the runtime must do for the membership core.
package enum GossipEffect: Hashable, Sendable {
    /// Seal these bytes (at most `GossipConfig.payloadBytesMax`) for a peer and send them as one datagram.
    case send([UInt8], to: NodeID, at: Endpoint)
    /// The same on a stream: datagrams to this peer, or from it, seem to be lost.
    case sendStream([UInt8], to: NodeID, at: Endpoint)
    /// A member appeared, changed state, moved or took a newer incarnation.
    case memberChanged(Member)
    /// Another member's section has newer content, or is gone because its owner began a new life.
    case sectionChanged(SectionID, of: NodeID)
    /// Another process runs with our key and goes on doing so. This one is silent from now on.
    case fenced
}

/// Totals since the start, for metrics and tests.
package struct GossipCounters: Hashable, Sendable {
    package var probes = 0
    package var acks = 0
    package var probeFailures = 0
    package var indirectProbes = 0
    /// Members that turned suspect here, for whatever reason.
    package var suspicions = 0
    /// Own incarnations advanced to contradict a claim about us.
    package var refutations = 0
    /// Members declared dead by this node's own deadline.
    package var verdicts = 0
    /// Deadlines that passed while nobody else was heard: no verdict was given.
    package var verdictsWithheld = 0
    package var payloadsReceived = 0
    /// Payloads that no encoder of ours produces; nothing was changed.
    package var malformedPayloads = 0
    package var payloadsSent = 0
    package var payloadBytesSent = 0
    package var digestsSent = 0
    /// Words of members about themselves that they did not sign; ignored.
    package var unsignedClaims = 0
    /// Claims refused because a table was full.
    package var overflows = 0
    /// Pings repeated on a stream, since no datagram was answered.
    package var streamProbes = 0
    /// Gaps noticed in our own running.
    package var pauses = 0

    package init() {}
}
