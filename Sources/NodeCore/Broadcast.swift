import Authority
import Gossip
import Primitives
import SecureChannel

/// An event of a topic that is not kept: told once to whoever is there, and remembered nowhere.
package struct Broadcast: Hashable, Sendable {
    package let topic: TopicName
    package let bytes: [UInt8]
    /// Who published it, by the word of the node where that was.
    package let author: UserName

    /// What fits one datagram beside names of full length: then it is told at once, and never cut in pieces.
    package static let bytesMax = 800

    package init(topic: TopicName, bytes: [UInt8], author: UserName) {
        precondition(bytes.count <= Self.bytesMax, "a broadcast of \(bytes.count) bytes exceeds \(Self.bytesMax)")
        self.topic = topic
        self.bytes = bytes
        self.author = author
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(topic.utf8)
        writer.write(author.utf8)
        writer.write(bytes)
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        guard let topic = TopicName(utf8: try reader.readBlob(limit: TopicNameRule.byteCounts.upperBound)),
            let author = UserName(utf8: try reader.readBlob(limit: UserNameRule.byteCounts.upperBound))
        else { throw .invalid("topic or author") }
        self.topic = topic
        self.author = author
        bytes = try reader.readBlob(limit: Self.bytesMax)
    }
}

// At most once: one datagram to each member, unsolicited, unanswered and never repeated. The secure channel's replay
// window lets each through once, so that nobody needs to remember what it has seen; and the sender is who the channel
// says it is, so that nothing needs a signature. No anti-entropy brings back what was lost.
extension NodeBrain {
    mutating func broadcast(_ event: Broadcast, now: Instant, into effects: inout [NodeEffect]) {
        guard haltReason == nil, !membership.hasLeft else { return }
        effects.append(.broadcast(event, from: me))
        let message = PeerMessage.broadcast(event).encode()
        for member in membership.members where member.id != me && member.state.isLive {
            send(message, kind: .node, to: member.id, now: now, into: &effects)
        }
    }
}
