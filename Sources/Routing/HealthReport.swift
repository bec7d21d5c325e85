import Primitives

/// What one node says of itself: hardware, work and models.
///
/// Gossip carries it as independent sections of at most `sectionBytesMax` bytes, each versioned on its own: a request
/// that starts or ends renews `load` only.
package struct HealthReport: Hashable, Sendable {
    package static let sectionBytesMax = 960

    package let vitals: Vitals?
    package let load: Load?
    /// Page by page; see `Catalog`.
    package let catalogs: [Catalog]

    package init(vitals: Vitals?, load: Load?, catalogs: [Catalog]) {
        self.vitals = vitals
        self.load = load
        self.catalogs = catalogs
    }

    package var models: [ModelReport] { catalogs.flatMap(\.models) }

    /// Section 0 is vitals, 1 is load, 2... are the pages of the catalogue. An absent section is empty.
    package func encodeSections() -> [[UInt8]] {
        let pages = (0..<Catalog.pageCount).map { page in catalogs.first { $0.page == page }?.encode() ?? [] }
        return [vitals?.encode() ?? [], load?.encode() ?? []] + pages
    }

    /// Throws for more sections than there are, or for any that is malformed.
    package init(decodingSections sections: [[UInt8]]) throws(DecodeError) {
        guard sections.count <= 2 + Catalog.pageCount else { throw .tooLong }
        var vitals: Vitals?
        var load: Load?
        var catalogs: [Catalog] = []
        for (number, bytes) in sections.enumerated() where !bytes.isEmpty {
            switch number {
            case 0: vitals = try Vitals(decoding: bytes)
            case 1: load = try Load(decoding: bytes)
            default: catalogs.append(try Catalog(decoding: bytes))
            }
        }
        self.init(vitals: vitals, load: load, catalogs: catalogs)
    }
}
