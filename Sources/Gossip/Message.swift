import Primitives

/// What members tell each other. The sender is never a field: it is whoever the secure channel authenticated.
package enum Message: Hashable, Sendable {
    case ping(sequence: UInt32, news: [News])
    /// `checksum` covers the answering node's whole table; a difference starts anti-entropy.
    case ack(sequence: UInt32, checksum: UInt64, news: [News])
    /// "Ping this member for me." Names an id, never an address: nobody can be made to send where a message says.
    case pingRequest(sequence: UInt32, target: NodeID)
    /// The target of our ping-req answered the proxy.
    case indirectAck(sequence: UInt32)
    /// The proxy is well, the target silent.
    case nack(sequence: UInt32)
    case gossip(news: [News])
    case digest(Digest)
}

/// One piece of news inside a message.
package enum News: Hashable, Sendable {
    case rumor(Rumor)
    case section(SectionNews)
    /// One of the sender's own sections, told in person.
    case told(ToldSection)
    /// Where the sender stands. On some acks.
    case coordinate(Coordinate)
}

/// A statement about one member's state.
package struct Rumor: Hashable, Sendable {
    package let id: NodeID
    package let incarnation: Incarnation
    package let state: MemberState
    /// The sender's own accusation, not hearsay. Only with `suspect`.
    package var isPersonal = false
    /// Needed to learn of a member; left out of accusations among acquaintances.
    package var profile: Profile?

    package struct Profile: Hashable, Sendable {
        package let name: String
        package let endpoint: Endpoint
        /// The member's own, of `Notary.signatureBytes`.
        package let signature: [UInt8]
    }
}

/// A section under its owner's signature: whoever passes it on.
package struct SectionNews: Hashable, Sendable {
    package let owner: NodeID
    package let section: SectionID
    package let stamp: SectionStamp
    package let bytes: [UInt8]
    /// The owner's, of `Notary.signatureBytes`.
    package let signature: [UInt8]
}

/// A section whose owner is the sender: the secure channel vouches for it, and no signature is needed.
package struct ToldSection: Hashable, Sendable {
    package let section: SectionID
    package let stamp: SectionStamp
    package let bytes: [UInt8]
}

/// What the sender holds of the members in a range of ids.
package struct Digest: Hashable, Sendable {
    package enum Purpose: UInt8, Sendable {
        /// All that the sender holds between `first` and `last`: answer with what is newer, and ask for the rest.
        case offer
        /// Only what the sender lacks: answer with what is newer.
        case request
    }

    package struct Entry: Hashable, Sendable {
        package let id: NodeID
        package let incarnation: Incarnation
        package let state: MemberState
        /// Ascending by section.
        package let sections: [SectionEntry]
    }

    package struct SectionEntry: Hashable, Sendable {
        package let section: SectionID
        package let stamp: SectionStamp
    }

    package let purpose: Purpose
    package let first: NodeID
    package let last: NodeID
    /// Ascending by id.
    package let entries: [Entry]
}
