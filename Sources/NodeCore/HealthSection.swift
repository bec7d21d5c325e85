import Gossip
import Routing

/// The parts of a health report, versioned by gossip each on its own.
package enum HealthSection: Hashable, Sendable {
    case vitals(Vitals)
    case load(Load)
    case catalog(Catalog)

    package var id: SectionID {
        switch self {
        case .vitals: .vitals
        case .load: .load
        case .catalog: .catalog
        }
    }

    package func encode() -> [UInt8] {
        switch self {
        case .vitals(let vitals): vitals.encode()
        case .load(let load): load.encode()
        case .catalog(let catalog): catalog.encode()
        }
    }
}

extension SectionID {
    package static let descriptor = SectionID(value: 1)
    package static let vitals = SectionID(value: 2)
    package static let load = SectionID(value: 3)
    package static let catalog = SectionID(value: 4)
}
