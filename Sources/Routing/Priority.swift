/// How urgent a request is; a higher value goes first.
package enum Priority: UInt8, Hashable, Comparable, Sendable, CaseIterable {
    case training = 3
    case processing = 5
    case health = 8
    case inference = 10

    package static func < (a: Priority, b: Priority) -> Bool { a.rawValue < b.rawValue }
}
