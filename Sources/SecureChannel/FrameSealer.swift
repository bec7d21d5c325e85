import Primitives

/// Who sent an opened frame, as the channel proved it. Nothing inside a message overrides this.
package struct AuthenticatedPeer: Hashable, Sendable {
    package enum Assurance: Hashable, Sendable {
        /// The sender holds the cluster key; which holder it is rests on its word. Such a mesh listens only on loopback
        /// or on networks that the configuration names.
        case unproven
        /// The sender holds the private key that belongs to its node id.
        case proven
    }

    package let node: NodeID
    package let assurance: Assurance

    package init(node: NodeID, assurance: Assurance) {
        self.node = node
        self.assurance = assurance
    }
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

/// Why a frame was dropped. Nothing changed; count it, say nothing to the sender.
package enum FrameRejection: Error, Hashable, Sendable, CaseIterable {
    /// Too short or too long to be a frame, or an unknown version or kind.
    case malformed
    /// Sealed for another cluster.
    case foreignCluster
    /// Addressed to another node.
    case misdirected
    /// Claims to come from this very node.
    case echoed
    /// The seal does not open: forged, corrupted, or under another key.
    case unauthentic
    /// Seen before, too old for the replay window, or from an earlier start of the sender.
    case replayed
}

/// Seals and opens datagrams; the only way into and out of the mesh port. Opening authenticates before it parses.
package protocol FrameSealer: Sendable {
    /// Bytes that sealing adds to a payload.
    var overhead: Int { get }
    mutating func seal(_ payload: [UInt8], kind: FrameKind, to recipient: NodeID) -> [UInt8]
    mutating func open(_ frame: [UInt8]) throws(FrameRejection) -> OpenedFrame
}
