import Primitives

/// Who sent an opened frame, as the channel proved it: the holder of the private key that belongs to this id. Nothing
/// inside a message overrides it.
package struct AuthenticatedPeer: Hashable, Sendable {
    package let node: NodeID

    package init(node: NodeID) { self.node = node }
}

/// Which core an opened frame is for. The kind is covered by the seal.
package enum FrameKind: UInt8, Sendable, CaseIterable {
    case gossip = 1
    case raft = 2
    /// Requests that one node's brain sends another's: forwarded proposals and their answers.
    case node = 3
    /// A frame sealed for somebody else, to be passed on to them, and the same on its second leg. NodeCore wraps it.
    case relay = 4
    case relayed = 5
}

package struct OpenedFrame: Hashable, Sendable {
    package let peer: AuthenticatedPeer
    package let kind: FrameKind
    package let payload: [UInt8]

    package init(peer: AuthenticatedPeer, kind: FrameKind, payload: [UInt8]) {
        self.peer = peer
        self.kind = kind
        self.payload = payload
    }
}

/// What the channel itself has to say: handshakes, and frames that waited for one.
package struct OutboundFrame: Hashable, Sendable {
    package let bytes: [UInt8]
    package let node: NodeID
    /// nil: wherever the node is thought to be.
    package let endpoint: Endpoint?
}

/// Why a frame was dropped. No session, address or core has changed; count it, say nothing to the sender.
package enum FrameRejection: Error, Hashable, Sendable, CaseIterable {
    /// Too short or too long to be a frame, or an unknown type or kind.
    case malformed
    /// For a session that does not stand here (any more): of an earlier life, expired, or invented.
    case unknownSession
    /// Claims to come from this very node.
    case echoed
    /// A code or seal is wrong: forged, corrupted, meant for another node or cluster, or under other keys.
    case unauthentic
    /// An authentic handshake of somebody who is not in the roster, or no longer.
    case unknownPeer
    /// An authentic handshake under a cluster key that is not in use here.
    case wrongEpoch
    /// Seen before, too old for the replay window, or a handshake that is not newer than the last.
    case replayed
    /// A handshake that met our own, which goes first.
    case outranked
    /// Too many handshakes: a cookie was asked for.
    case cookieRequired
}

/// Seals and opens datagrams; the only way into and out of the mesh port. Opening authenticates before it parses.
///
/// After every call the caller sends what `takeOutbox` gives, and calls `tick` at `nextDeadline`.
package protocol FrameSealer: Sendable {
    /// Bytes that sealing adds to a payload.
    var overhead: Int { get }
    /// The frame to send. nil if no session with this peer stands yet: the payload waits, bounded, until one does.
    mutating func seal(_ payload: [UInt8], kind: FrameKind, to recipient: NodeID, now: Instant) -> [UInt8]?
    /// Whether `seal` would give a frame for this peer now.
    func hasSession(with peer: NodeID, at now: Instant) -> Bool
    /// What a frame carries. nil for an authentic one that concerns the channel alone. `source` is nil for a frame that
    /// another node passed on, which may be larger than a datagram.
    mutating func open(_ frame: [UInt8], from source: Endpoint?, now: Instant) throws(FrameRejection) -> OpenedFrame?
    mutating func tick(now: Instant)
    var nextDeadline: Instant { get }
    var hasOutbox: Bool { get }
    mutating func takeOutbox() -> [OutboundFrame]
    /// Where this peer was proven to receive, if that is known.
    func path(to node: NodeID) -> Endpoint?
    func checkInvariants()

    /// Nil where nothing is secret: frames of a simulation in the clear.
    var keyring: Keyring? { get }
    /// Everybody who belongs to the mesh or did: sessions with who is revoked end at once.
    ///
    /// `notices`: what a revoked node is told, and nothing else, should it call.
    mutating func adopt(_ all: [ChannelKeys.Peer], notices: [NodeID: [UInt8]])
    /// What a core node told this node about itself since the last call: that it is revoked, with proof.
    mutating func takeNotice() -> [UInt8]?
    /// Opens this node's copy of a new secret and holds it beside the others; does nothing if it is held.
    mutating func install(_ copy: SealedCopy)
    /// Begins handshakes with this epoch, and answers those before `oldest` for hand-overs only.
    mutating func follow(active: UInt32, oldest: UInt32)
    /// The keys, if they have changed since the last call.
    mutating func takeChangedKeys() -> ChannelKeys?
}

extension FrameSealer {
    package var keyring: Keyring? { nil }
    package mutating func adopt(_ all: [ChannelKeys.Peer], notices: [NodeID: [UInt8]]) {}
    package mutating func takeNotice() -> [UInt8]? { nil }
    package mutating func install(_ copy: SealedCopy) {}
    package mutating func follow(active: UInt32, oldest: UInt32) {}
    package mutating func takeChangedKeys() -> ChannelKeys? { nil }
}

/// One node's copy of a new secret of the cluster.
package struct SealedCopy: Sendable {
    package let epoch: UInt32
    package let fingerprint: [UInt8]
    package let sealed: [UInt8]

    package init(epoch: UInt32, fingerprint: [UInt8], sealed: [UInt8]) {
        self.epoch = epoch
        self.fingerprint = fingerprint
        self.sealed = sealed
    }
}
