import Primitives

/// What this node believes about a member. The order is the precedence at equal incarnations (`Precedence`).
package enum MemberState: UInt8, Comparable, Sendable, CaseIterable {
    case alive
    /// A probe failed, directly and through others; the member has until the suspicion's deadline to refute.
    case suspect
    /// Failed: nobody refuted. Contacted at a low rate for ever, so that it is found again.
    case dead
    /// Said goodbye itself. Not contacted; returns by a newer incarnation of its own.
    case left

    package static func < (a: MemberState, b: MemberState) -> Bool { a.rawValue < b.rawValue }

    /// Alive or suspect: probed, gossiped with and counted as part of the mesh.
    package var isLive: Bool { self <= .suspect }
}

/// A member of the mesh as this node knows it.
package struct Member: Hashable, Sendable {
    package let id: NodeID
    /// For people; at most `nameBytesMax` of UTF-8.
    package var name: String
    /// Where its mesh port listens, UDP and TCP.
    package var endpoint: Endpoint
    package var incarnation: Incarnation
    package var state: MemberState

    package static let nameBytesMax = 64

    package init(id: NodeID, name: String, endpoint: Endpoint, incarnation: Incarnation, state: MemberState) {
        precondition(
            name.utf8.count <= Self.nameBytesMax, "name of \(name.utf8.count) bytes exceeds \(Self.nameBytesMax)")
        self.id = id
        self.name = name
        self.endpoint = endpoint
        self.incarnation = incarnation
        self.state = state
    }
}

/// An address book entry from the provisioned roster: someone to call who has not been heard of yet.
package struct Contact: Hashable, Sendable {
    package let id: NodeID
    package let name: String
    package let endpoint: Endpoint

    package init(id: NodeID, name: String, endpoint: Endpoint) {
        precondition(
            name.utf8.count <= Member.nameBytesMax, "name of \(name.utf8.count) bytes exceeds \(Member.nameBytesMax)")
        self.id = id
        self.name = name
        self.endpoint = endpoint
    }
}
