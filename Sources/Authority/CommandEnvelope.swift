import Primitives

/// What travels in the log: a command, and who asked for it as which request (Ongaro's thesis §6.3).
///
/// ```
///   version 1 | client 8 | bornAt varint | sequence varint | lowestUnacknowledged varint | command
/// ```
/// The origin numbers its commands from 1 and repeats one, with the same number, until it knows the outcome. Instead of
/// the thesis' registration entry, each envelope says which index the origin had applied when it drew its client id.
/// An origin that was ever forgotten had been heard of after that index, so `ClientTable` can tell a new origin from a
/// forgotten one, without a round trip and without remembering the forgotten.
package struct CommandEnvelope: Hashable, Sendable {
    package static let version: UInt8 = 1

    /// Random, drawn anew at each start of a node.
    package let client: UInt64
    /// The last index that the node had applied when it drew `client`: draw it with the first command of a start, and
    /// draw both anew when a reply is `Refusal.clientExpired`.
    package let bornAt: LogIndex
    /// Counts the client's commands from 1.
    package let sequence: UInt64
    /// Replies below this have arrived and may be forgotten. At most `sequence`, at least 1.
    package let lowestUnacknowledged: UInt64
    package let command: AuthorityCommand

    package init(
        client: UInt64, bornAt: LogIndex, sequence: UInt64, lowestUnacknowledged: UInt64, command: AuthorityCommand
    ) {
        precondition(
            lowestUnacknowledged >= 1 && lowestUnacknowledged <= sequence && sequence < .max,
            "sequence \(sequence) with lowest unacknowledged \(lowestUnacknowledged): want 1 <= lowest <= sequence")
        self.client = client
        self.bornAt = bornAt
        self.sequence = sequence
        self.lowestUnacknowledged = lowestUnacknowledged
        self.command = command
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 192)
        writer.write(Self.version)
        writer.write(client)
        writer.write(bornAt)
        writer.writeVarint(sequence)
        writer.writeVarint(lowestUnacknowledged)
        command.encode(into: &writer)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        let header = try Header(from: &reader)
        let command = try AuthorityCommand(from: &reader)
        try reader.expectEnd()
        self.init(
            client: header.client, bornAt: header.bornAt, sequence: header.sequence,
            lowestUnacknowledged: header.lowestUnacknowledged, command: command)
    }

    /// The fields before the command: enough to recognise a repeat without decoding the rest.
    struct Header {
        let client: UInt64
        let bornAt: LogIndex
        let sequence: UInt64
        let lowestUnacknowledged: UInt64

        init(from reader: inout ByteReader) throws(DecodeError) {
            guard try reader.readUInt8() == CommandEnvelope.version else { throw .invalid("envelope version") }
            client = try reader.readUInt64()
            bornAt = try reader.readLogIndex()
            sequence = try reader.readVarint()
            lowestUnacknowledged = try reader.readVarint()
            guard sequence >= 1, sequence < .max, lowestUnacknowledged >= 1, lowestUnacknowledged <= sequence else {
                throw .invalid("sequence")
            }
        }
    }
}

/// What applying one entry led to. The node whose client id this is resumes whoever waits for `sequence`.
package struct AppliedCommand: Hashable, Sendable {
    /// 0 if the entry was no envelope at all.
    package let client: UInt64
    package let sequence: UInt64
    package let reply: AuthorityReply
    /// The command had been applied before; the reply is the remembered one.
    package let isRepeat: Bool

    package init(client: UInt64, sequence: UInt64, reply: AuthorityReply, isRepeat: Bool) {
        self.client = client
        self.sequence = sequence
        self.reply = reply
        self.isRepeat = isRepeat
    }
}
