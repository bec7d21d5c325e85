import Foundation

extension String {
    /// As names, keys and passwords are compared, so that the same letters typed on two systems are the same: in Unicode's
    /// composed form (NFC, RFC 8265 §4.2.2). ASCII is that already.
    var normalised: String {
        utf8.allSatisfy { $0 < 0x80 } ? self : precomposedStringWithCanonicalMapping
    }
}
