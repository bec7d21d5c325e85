/// What a program understands of the log, as one number: each level includes those below.
///
/// The level in the configuration is at most what every voter's program understands, and only rises. A command that needs
/// a higher one has the effect that it has on a program which does not know it: none. So two versions of the program that
/// run side by side during an upgrade never give one entry two meanings.
package struct FeatureLevel: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let value: UInt16

    package init(_ value: UInt16) { self.value = value }

    /// What every program understands.
    package static let zero = FeatureLevel(0)

    package static func < (a: FeatureLevel, b: FeatureLevel) -> Bool { a.value < b.value }

    package var description: String { "\(value)" }
}
