import Primitives

// How this module's small types look in the log and in snapshots. Every reader refuses what no writer produces.

extension ByteWriter {
    mutating func write<Kind>(_ id: Identifier<Kind>) {
        write(id.high)
        write(id.low)
    }

    mutating func write(_ fixed: Bytes32) { writeRaw(fixed.bytes) }
    mutating func write<Rule>(_ text: BoundedText<Rule>) { write(text.utf8) }
    mutating func write(_ verifier: PasswordVerifier) { write(verifier.utf8) }
    mutating func write(_ role: Role) { write(role.rawValue) }
    mutating func write(_ time: UnixTime) { write(time.milliseconds) }

    mutating func write(_ condition: ValueCondition) {
        switch condition {
        case .none: write(UInt8(0))
        case .ifMatch(let revision):
            write(UInt8(1))
            write(revision)
        case .ifNoneMatchAny: write(UInt8(2))
        case .ifHolding(let name, let token):
            write(UInt8(3))
            write(name)
            write(token)
        }
    }
}

extension ByteReader {
    mutating func readIdentifier<Kind>(of _: Kind.Type) throws(DecodeError) -> Identifier<Kind> {
        Identifier(high: try readUInt64(), low: try readUInt64())
    }

    mutating func readBytes32() throws(DecodeError) -> Bytes32 {
        guard let fixed = Bytes32(try readRaw(Bytes32.byteCount)) else { throw .truncated }
        return fixed
    }

    mutating func readText<Rule>(_: BoundedText<Rule>.Type) throws(DecodeError) -> BoundedText<Rule> {
        guard let text = BoundedText<Rule>(utf8: try readBlob(limit: Rule.byteCounts.upperBound)) else {
            throw .invalid("text")
        }
        return text
    }

    mutating func readVerifier() throws(DecodeError) -> PasswordVerifier {
        guard let verifier = PasswordVerifier(utf8: try readBlob(limit: PasswordVerifier.byteCountMax)) else {
            throw .invalid("password verifier")
        }
        return verifier
    }

    mutating func readRole() throws(DecodeError) -> Role {
        guard let role = Role(rawValue: try readUInt8()) else { throw .invalid("role") }
        return role
    }

    /// Any moment that arithmetic with spans of weeks cannot overflow.
    mutating func readUnixTime() throws(DecodeError) -> UnixTime {
        let time = UnixTime(milliseconds: try readInt64())
        guard UnixTime.representable.contains(time) else { throw .invalid("time") }
        return time
    }

    mutating func readCondition() throws(DecodeError) -> ValueCondition {
        switch try readUInt8() {
        case 0: .none
        case 1: .ifMatch(try readLogIndex())
        case 2: .ifNoneMatchAny
        case 3: .ifHolding(try readText(LockName.self), token: try readLogIndex())
        default: throw .invalid("condition")
        }
    }
}

extension UnixTime {
    /// Wider than every time that an anchored clock can show.
    static let representable = UnixTime(milliseconds: 0)...UnixTime(milliseconds: 1 << 62)
}
