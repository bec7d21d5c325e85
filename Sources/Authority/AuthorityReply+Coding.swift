import Primitives

/// Replies are remembered, and remembered replies travel in snapshots.
extension AuthorityReply {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .done: writer.write(UInt8(0))
        case .granted(let terms):
            writer.write(UInt8(1))
            terms.encode(into: &writer)
        case .rotated(let terms, let sealedSuccessor):
            writer.write(UInt8(2))
            terms.encode(into: &writer)
            writer.write(sealedSuccessor)
        case .sessionsEnded(let count):
            writer.write(UInt8(3))
            writer.writeVarint(UInt64(count))
        case .stored(let revision, let created):
            writer.write(UInt8(4))
            writer.write(revision)
            writer.write(created)
        case .refused(let refusal):
            writer.write(UInt8(5))
            refusal.encode(into: &writer)
        case .locked(let lock):
            writer.write(UInt8(6))
            lock.encode(into: &writer)
        }
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.readUInt8() {
        case 0: self = .done
        case 1: self = .granted(try SessionTerms(from: &reader))
        case 2:
            self = .rotated(
                try SessionTerms(from: &reader),
                sealedSuccessor: try reader.readBlob(limit: RefreshRotation.sealedBytesMax))
        case 3: self = .sessionsEnded(try reader.readCount(limit: .max))
        case 4: self = .stored(revision: try reader.readLogIndex(), created: try reader.readBool())
        case 5: self = .refused(try Refusal(from: &reader))
        case 6: self = .locked(try Lock(from: &reader))
        default: throw .invalid("reply")
        }
    }
}

extension SessionTerms {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(user)
        writer.write(grantedAt)
        writer.write(createdAt)
        writer.write(expiresAt)
    }

    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        self.init(
            id: try reader.readIdentifier(of: Session.self), user: try reader.readText(UserName.self),
            grantedAt: try reader.readLogIndex(), createdAt: try reader.readUnixTime(),
            expiresAt: try reader.readUnixTime())
    }
}

extension Refusal {
    /// Every refusal without a payload, at the place of its number. New ones are appended.
    private static let plain: [Refusal] = [
        .malformed, .userExists, .unknownUser, .adminRequired, .passwordChanged, .idTaken, .unknownSession,
        .sessionExpired, .refreshReused, .unknownKey, .unknownValue, .tooLarge, .limitReached, .clockNotSet,
        .clockNotAhead, .staleSequence, .clientExpired, .notHolding, .rosterChanged, .unsigned,
        .unknownToken, .nameTaken, .unknownMember, .lastCore, .epochNotActive,
    ]
    private static let conditionFailedTag: UInt8 = 255
    private static let lockHeldTag: UInt8 = 254

    fileprivate func encode(into writer: inout ByteWriter) {
        if case .conditionFailed(let current) = self {
            writer.write(Self.conditionFailedTag)
            writer.writeOptional(current) { $0.write($1) }
            return
        }
        if case .lockHeld(let token) = self {
            writer.write(Self.lockHeldTag)
            writer.write(token)
            return
        }
        guard let place = Self.plain.firstIndex(of: self) else {
            preconditionFailure("refusal \(self) has no number")
        }
        writer.write(UInt8(place))
    }

    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        let tag = try reader.readUInt8()
        if tag == Self.conditionFailedTag {
            self = .conditionFailed(current: try reader.readBool() ? try reader.readLogIndex() : nil)
        } else if tag == Self.lockHeldTag {
            self = .lockHeld(token: try reader.readLogIndex())
        } else if Int(tag) < Self.plain.count {
            self = Self.plain[Int(tag)]
        } else {
            throw .invalid("refusal")
        }
    }
}
