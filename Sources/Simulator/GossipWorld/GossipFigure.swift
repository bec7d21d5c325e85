import Gossip
import Primitives

/// One measured line of a gossip experiment.
package struct GossipFigure: Sendable {
    /// What was measured.
    package let measure: String
    package let members: Int
    /// `ours`, `swim` or `lifeguard`.
    package let profile: String
    /// Names with units and their values, in the order of printing.
    package var values: [(name: String, value: Double)]

    package init(_ measure: String, members: Int, profile: GossipProfile = .ours, values: [(String, Double)]) {
        self.measure = measure
        self.members = members
        self.profile = profile.rawValue
        self.values = values.map { (name: $0.0, value: $0.1) }
    }

    package subscript(_ name: String) -> Double? { values.first { $0.name == name }?.value }

    /// Nearest-rank percentiles in seconds.
    static func spread(_ spans: [Duration], unit: String = "seconds") -> [(String, Double)] {
        let sorted = spans.map(\.inSeconds).sorted()
        func rank(_ permille: Int) -> Double {
            sorted.isEmpty ? .infinity : sorted[max(0, (sorted.count * permille + 999) / 1000 - 1)]
        }
        return [
            ("samples", Double(sorted.count)), ("p50_\(unit)", rank(500)), ("p99_\(unit)", rank(990)),
            ("p999_\(unit)", rank(999)), ("max_\(unit)", rank(1000)),
        ]
    }
}

/// Whose rules the members of an experiment follow.
package enum GossipProfile: String, CaseIterable, Sendable {
    case ours
    case swim
    case lifeguard

    package var config: GossipConfig {
        switch self {
        case .ours: GossipConfig()
        case .swim: .plainSWIM
        case .lifeguard: .lifeguard
        }
    }
}
