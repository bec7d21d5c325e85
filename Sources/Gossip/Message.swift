import Primitives

/// What members tell each other. The sender is never a field: it is whoever the secure channel authenticated.
enum Message: Hashable, Sendable {
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
enum News: Hashable, Sendable {
    case rumor(Rumor)
    case section(SectionNews)
}

/// A statement about one member's state.
struct Rumor: Hashable, Sendable {
    let id: NodeID
    let incarnation: Incarnation
    let state: MemberState
    /// The sender's own accusation, not hearsay. Only with `suspect`.
    var isPersonal = false
    /// Needed to learn of a member; left out of accusations among acquaintances.
    var profile: Profile?

    struct Profile: Hashable, Sendable {
        let name: String
        let endpoint: Endpoint
    }
}

struct SectionNews: Hashable, Sendable {
    let owner: NodeID
    let section: SectionID
    let stamp: SectionStamp
    let bytes: [UInt8]
}

/// What the sender holds of the members in a range of ids.
struct Digest: Hashable, Sendable {
    enum Purpose: UInt8, Sendable {
        /// All that the sender holds between `first` and `last`: answer with what is newer, and ask for the rest.
        case offer
        /// Only what the sender lacks: answer with what is newer.
        case request
    }

    struct Entry: Hashable, Sendable {
        let id: NodeID
        let incarnation: Incarnation
        let state: MemberState
        /// Ascending by section.
        let sections: [SectionEntry]
    }

    struct SectionEntry: Hashable, Sendable {
        let section: SectionID
        let stamp: SectionStamp
    }

    let purpose: Purpose
    let first: NodeID
    let last: NodeID
    /// Ascending by id.
    let entries: [Entry]
}
