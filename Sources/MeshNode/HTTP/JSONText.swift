import NIOCore

/// Writes JSON (RFC 8259) straight into a buffer: fields in the order they are given, no reflection, no copies.
///
/// Reading is Foundation's; writing is done here because the status document goes out to every open browser several
/// times a second, and because doubles must not become `0.30000000000000004` in front of people.
package struct JSONText {
    package private(set) var buffer = ByteBuffer()
    private var needsComma = false

    package init() {}

    package mutating func open(_ bracket: Character) {
        separate()
        buffer.writeString(String(bracket))
        needsComma = false
    }

    package mutating func close(_ bracket: Character) {
        buffer.writeString(String(bracket))
        needsComma = true
    }

    package mutating func key(_ name: String) {
        separate()
        quote(name)
        buffer.writeString(":")
        needsComma = false
    }

    package mutating func value(_ text: String?) {
        separate()
        if let text { quote(text) } else { buffer.writeString("null") }
        needsComma = true
    }

    package mutating func value(_ number: some FixedWidthInteger) { raw(String(number)) }
    package mutating func value(_ flag: Bool) { raw(flag ? "true" : "false") }

    /// Four decimals; what is not finite becomes null, as JSON has no word for it.
    package mutating func value(_ number: Double) {
        guard number.isFinite, abs(number) < 1e15 else { return raw("null") }
        let rounded = (number * 10_000).rounded() / 10_000
        raw(rounded == rounded.rounded() ? String(Int64(rounded)) : String(rounded))
    }

    package mutating func null() { raw("null") }

    package mutating func field(_ name: String, _ text: String?) {
        key(name)
        value(text)
    }

    package mutating func field(_ name: String, _ number: some FixedWidthInteger) {
        key(name)
        value(number)
    }

    package mutating func field(_ name: String, _ number: Double) {
        key(name)
        value(number)
    }

    package mutating func field(_ name: String, _ flag: Bool) {
        key(name)
        value(flag)
    }

    /// Inserts what is JSON already.
    package mutating func raw(_ json: String) {
        separate()
        buffer.writeString(json)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { buffer.writeString(",") }
    }

    private mutating func quote(_ text: String) {
        buffer.writeInteger(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                buffer.writeInteger(UInt8(ascii: "\\"))
                buffer.writeInteger(byte)
            case 0..<0x20:
                buffer.writeString("\\u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16))
            default:
                buffer.writeInteger(byte)
            }
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }
}
