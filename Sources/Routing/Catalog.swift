/// The models that a node can serve, and how fast it found itself to be with each. One gossip section a page.
///
/// A page holds what fits into `HealthReport.sectionBytesMax`. Loaded models come first, so that a reader of page 0
/// alone sees what matters; `makePages` always returns `pageCount` pages, so that a shrunk catalogue also replaces the
/// pages it no longer needs.
package struct Catalog: Hashable, Sendable {
    package static let pageCount = 4

    /// 0..<`pageCount`.
    package let page: Int
    package let models: [ModelReport]
    /// Models of this node that fit into no page; shown, so that a cut list never looks complete.
    package let omittedCount: Int

    /// Models beyond the section size are left out and counted; use `makePages` to spread them.
    package init(models: [ModelReport]) {
        var rest = Self.ordered(models)[...]
        let fitting = Self.takePage(from: &rest)
        self.init(page: 0, models: fitting, omittedCount: rest.count)
    }

    init(page: Int, models: [ModelReport], omittedCount: Int) {
        self.page = page
        self.models = models
        self.omittedCount = omittedCount
    }

    package static func makePages(_ models: [ModelReport]) -> [Catalog] {
        var rest = ordered(models)[...]
        let pages = (0..<pageCount).map { _ in takePage(from: &rest) }
        return pages.enumerated().map { Catalog(page: $0.offset, models: $0.element, omittedCount: rest.count) }
    }

    /// Whether both name the same models at the same backends, whatever they say of speed and residency.
    func hasSamePlaces(as other: Catalog) -> Bool {
        models.elementsEqual(other.models) { a, b in
            a.name == b.name && a.backend == b.backend && a.pool == b.pool && a.sizeBytes == b.sizeBytes
        }
    }

    private static func ordered(_ models: [ModelReport]) -> [ModelReport] {
        models.sorted { a, b in
            if a.isLoaded != b.isLoaded { return a.isLoaded }
            if a.name != b.name { return Array(a.name.utf8).lexicographicallyPrecedes(Array(b.name.utf8)) }
            return a.backend < b.backend
        }
    }

    private static func takePage(from rest: inout ArraySlice<ModelReport>) -> [ModelReport] {
        var used = headerBytesMax
        var page: [ModelReport] = []
        while let next = rest.first {
            used += next.encodedByteCount
            if used > HealthReport.sectionBytesMax { break }
            page.append(next)
            rest.removeFirst()
        }
        return page
    }
}

/// One model at one backend.
package struct ModelReport: Hashable, Sendable {
    package enum Pool: UInt8, Sendable, CaseIterable {
        /// Few at a time, on the GPU.
        case generation
        /// Many at a time, also on a CPU.
        case embedding
    }

    package static let nameBytesMax = 128
    package static let familyBytesMax = 24

    /// As the backend calls it, e.g. `llama3.1:8b`. Names longer than `nameBytesMax` make no report: see `init?`.
    package let name: String
    /// Position in `Load.backends` of the same node.
    package let backend: Int
    package let pool: Pool
    /// In memory now.
    package let isLoaded: Bool
    /// Of the weights; 0 if the backend does not say.
    package let sizeBytes: UInt64
    /// Parameters in millions; 0 if unknown.
    package let parametersMillions: UInt32
    /// E.g. `llama`; a hint for people.
    package let family: String
    /// Largest prompt plus output in tokens; 0 if unknown.
    package let contextTokens: UInt32
    /// Learned by the serving node, for one request alone; nil before the first. Travel within 7% (see `RateCode`).
    package let prefillTokensPerSecond: Double?
    package let decodeTokensPerSecond: Double?
    package let loadSeconds: Double?

    /// Nil for an empty name or one beyond `nameBytesMax`: a cut model name would name another model.
    package init?(
        name: String, backend: Int, pool: Pool = .generation, isLoaded: Bool, sizeBytes: UInt64 = 0,
        parametersMillions: UInt32 = 0, family: String = "", contextTokens: UInt32 = 0,
        prefillTokensPerSecond: Double? = nil, decodeTokensPerSecond: Double? = nil, loadSeconds: Double? = nil
    ) {
        guard !name.isEmpty, name.utf8.count <= Self.nameBytesMax, 0..<Load.backendCountMax ~= backend else {
            return nil
        }
        self.name = name
        self.backend = backend
        self.pool = pool
        self.isLoaded = isLoaded
        self.sizeBytes = sizeBytes
        self.parametersMillions = parametersMillions
        self.family = family.cut(toBytes: Self.familyBytesMax)
        self.contextTokens = contextTokens
        self.prefillTokensPerSecond = RateCode.round(prefillTokensPerSecond)
        self.decodeTokensPerSecond = RateCode.round(decodeTokensPerSecond)
        self.loadSeconds = RateCode.round(loadSeconds)
    }
}

/// A positive figure in one byte: a small float with 3 bits of fraction, from 1/1024 to about 2 million, within 7%.
/// Coarse on purpose: a rate that wobbles by a percent does not make a new gossip version. Byte 0 is "unknown".
enum RateCode {
    private static let exponentMin = -10

    static func encode(_ rate: Double?) -> UInt8 {
        guard let rate, rate.isFinite, rate > 0 else { return 0 }
        let eighths = Int((rate.significand - 1) * 8 + 0.5)
        let code = (Int(rate.exponent) - exponentMin) * 8 + eighths + 1
        return UInt8(min(max(code, 1), 255))
    }

    static func decode(_ code: UInt8) -> Double? {
        guard code > 0 else { return nil }
        let steps = Int(code) - 1
        return Double(sign: .plus, exponent: steps / 8 + exponentMin, significand: 1 + Double(steps % 8) / 8)
    }

    static func round(_ rate: Double?) -> Double? { decode(encode(rate)) }
}
