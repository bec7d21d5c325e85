import Foundation
import Synchronization

/// The `Date` of a response (RFC 9110 §6.6.1), written out once a second.
final class DateField: Sendable {
    private let newest = Mutex<(second: Int, text: String)>((0, ""))

    var text: String {
        let second = time(nil)
        return newest.withLock { newest in
            if newest.second != second { newest = (second, Timestamp.httpDate(Int64(second))) }
            return newest.text
        }
    }
}
