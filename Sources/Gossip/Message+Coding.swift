import Primitives

/// Payload layout: one kind byte, the kind's fields, then news until the end. Integers as varints unless noted.
///
///     ping          1 | sequence | news*
///     ack           2 | sequence | checksum:8 | news*
///     ping-req      3 | sequence | target:16
///     indirect ack  4 | sequence
///     nack          5 | sequence
///     gossip        6 | news*
///     digest        7 | the rest in Digest+Coding.swift
///
///     rumor         1 | id:16 | flags:1 | epoch | nonce:4 | counter | [name | endpoint:18 | signature:64]
///     section       2 | owner:16 | section:1 | epoch | version | bytes | signature:64
///     coordinate    3 | 4 components:4 | height:4 | error:2
///     told section  4 | section:1 | epoch | version | bytes
///
/// flags: bits 0-1 state, bit 2 personal accusation, bit 3 name and endpoint follow; the others are zero.
enum MessageKind: UInt8 {
    case ping = 1
    case ack
    case pingRequest
    case indirectAck
    case nack
    case gossip
    case digest
}

private enum NewsKind: UInt8 {
    case rumor = 1
    case section
    case coordinate
    case told
}

private enum RumorFlag {
    static let stateMask: UInt8 = 0b11
    static let personal: UInt8 = 0b100
    static let profile: UInt8 = 0b1000
}

extension Message {
    package func encoded() -> [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .ping(let sequence, let news):
            writer.write(.ping, sequence)
            for item in news { writer.write(item) }
        case .ack(let sequence, let checksum, let news):
            writer.write(.ack, sequence)
            writer.write(checksum)
            for item in news { writer.write(item) }
        case .pingRequest(let sequence, let target):
            writer.write(.pingRequest, sequence)
            writer.write(target)
        case .indirectAck(let sequence): writer.write(.indirectAck, sequence)
        case .nack(let sequence): writer.write(.nack, sequence)
        case .gossip(let news):
            writer.write(MessageKind.gossip.rawValue)
            for item in news { writer.write(item) }
        case .digest(let digest):
            writer.write(MessageKind.digest.rawValue)
            writer.write(digest)
        }
        return writer.bytes
    }

    /// Reads a whole payload or nothing.
    package static func decode(_ payload: [UInt8]) throws(DecodeError) -> Message {
        var reader = ByteReader(payload)
        guard let kind = MessageKind(rawValue: try reader.readUInt8()) else { throw .invalid("message kind") }
        switch kind {
        case .ping: return .ping(sequence: try reader.readSequence(), news: try reader.readNews())
        case .ack:
            return .ack(
                sequence: try reader.readSequence(), checksum: try reader.readUInt64(), news: try reader.readNews())
        case .pingRequest:
            let message = Message.pingRequest(sequence: try reader.readSequence(), target: try reader.readNodeID())
            try reader.expectEnd()
            return message
        case .indirectAck, .nack:
            let sequence = try reader.readSequence()
            try reader.expectEnd()
            return kind == .nack ? .nack(sequence: sequence) : .indirectAck(sequence: sequence)
        case .gossip: return .gossip(news: try reader.readNews())
        case .digest: return .digest(try reader.readDigest())
        }
    }
}

extension ByteWriter {
    fileprivate mutating func write(_ kind: MessageKind, _ sequence: UInt32) {
        write(kind.rawValue)
        writeVarint(UInt64(sequence))
    }

    mutating func write(_ news: News) {
        switch news {
        case .rumor(let rumor):
            write(NewsKind.rumor.rawValue)
            write(rumor.id)
            var flags = rumor.state.rawValue
            if rumor.isPersonal { flags |= RumorFlag.personal }
            if rumor.profile != nil { flags |= RumorFlag.profile }
            write(flags)
            write(rumor.incarnation)
            if let profile = rumor.profile {
                write(profile.name)
                write(profile.endpoint)
                writeRaw(profile.signature)
            }
        case .section(let news):
            write(NewsKind.section.rawValue)
            write(news.owner)
            write(news.section.value)
            write(news.stamp)
            write(news.bytes)
            writeRaw(news.signature)
        case .told(let told):
            write(NewsKind.told.rawValue)
            write(told.section.value)
            write(told.stamp)
            write(told.bytes)
        case .coordinate(let coordinate):
            write(NewsKind.coordinate.rawValue)
            write(coordinate)
        }
    }

    mutating func write(_ incarnation: Incarnation) {
        writeVarint(incarnation.bootEpoch)
        write(incarnation.nonce)
        writeVarint(UInt64(incarnation.counter))
    }

    mutating func write(_ stamp: SectionStamp) {
        writeVarint(stamp.bootEpoch)
        writeVarint(stamp.version)
    }
}

extension ByteReader {
    fileprivate mutating func readSequence() throws(DecodeError) -> UInt32 {
        guard let sequence = UInt32(exactly: try readVarint()) else { throw .invalid("sequence") }
        return sequence
    }

    fileprivate mutating func readNews() throws(DecodeError) -> [News] {
        var news: [News] = []
        while remaining > 0 {
            switch NewsKind(rawValue: try readUInt8()) {
            case .rumor: news.append(.rumor(try readRumor()))
            case .section: news.append(.section(try readSectionNews()))
            case .coordinate: news.append(.coordinate(try readCoordinate()))
            case .told: news.append(.told(try readToldSection()))
            case nil: throw .invalid("news kind")
            }
        }
        return news
    }

    private mutating func readRumor() throws(DecodeError) -> Rumor {
        let id = try readNodeID()
        let flags = try readUInt8()
        let known = RumorFlag.stateMask | RumorFlag.personal | RumorFlag.profile
        guard flags & ~known == 0, let state = MemberState(rawValue: flags & RumorFlag.stateMask) else {
            throw .invalid("rumor flags")
        }
        let isPersonal = flags & RumorFlag.personal != 0
        guard !isPersonal || state == .suspect else { throw .invalid("personal accusation") }
        let incarnation = try readIncarnation()
        guard incarnation.bootEpoch > 0 else { throw .invalid("boot epoch") }
        var profile: Rumor.Profile?
        if flags & RumorFlag.profile != 0 {
            profile = Rumor.Profile(
                name: try readString(limit: Member.nameBytesMax), endpoint: try readEndpoint(),
                signature: try readRaw(Notary.signatureBytes))
        }
        return Rumor(id: id, incarnation: incarnation, state: state, isPersonal: isPersonal, profile: profile)
    }

    private mutating func readSectionNews() throws(DecodeError) -> SectionNews {
        SectionNews(
            owner: try readNodeID(), section: SectionID(value: try readUInt8()), stamp: try readStamp(),
            bytes: try readBlob(limit: Section.bytesMax), signature: try readRaw(Notary.signatureBytes))
    }

    private mutating func readToldSection() throws(DecodeError) -> ToldSection {
        ToldSection(
            section: SectionID(value: try readUInt8()), stamp: try readStamp(),
            bytes: try readBlob(limit: Section.bytesMax))
    }

    mutating func readIncarnation() throws(DecodeError) -> Incarnation {
        let bootEpoch = try readVarint()
        let nonce = try readUInt32()
        guard bootEpoch <= Incarnation.bootEpochMax, let counter = UInt32(exactly: try readVarint()) else {
            throw .invalid("incarnation")
        }
        return Incarnation(bootEpoch: bootEpoch, nonce: nonce, counter: counter)
    }

    mutating func readStamp() throws(DecodeError) -> SectionStamp {
        let stamp = SectionStamp(bootEpoch: try readVarint(), version: try readVarint())
        guard stamp.bootEpoch <= Incarnation.bootEpochMax, stamp.version <= Section.versionMax else {
            throw .invalid("section stamp")
        }
        return stamp
    }
}
