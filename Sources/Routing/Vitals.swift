/// What a machine says of its hardware: processor, memory and accelerators. One gossip section.
///
/// For people, alerts and the memory filter of `CostModel`. Processor load never enters an estimate of speed: a busy
/// CPU beside an idle GPU says nothing about the next token.
package struct Vitals: Hashable, Sendable {
    package static let gpuCountMax = 12
    package static let nameBytesMax = 48

    /// Share of all cores in use since the previous report, 0...1, in thousandths.
    package let cpuLoad: Double
    package let cores: Int
    package let memoryUsedBytes: UInt64
    package let memoryTotalBytes: UInt64
    /// Since the machine started; whole seconds.
    package let uptimeSeconds: UInt64
    /// At most `gpuCountMax`; the rest is left out.
    package let gpus: [GPUReport]

    package init(
        cpuLoad: Double, cores: Int, memoryUsedBytes: UInt64, memoryTotalBytes: UInt64, uptimeSeconds: UInt64 = 0,
        gpus: [GPUReport] = []
    ) {
        self.cpuLoad = Thousandths.round(cpuLoad)
        self.cores = min(max(0, cores), Int(UInt16.max))
        self.memoryUsedBytes = memoryUsedBytes
        self.memoryTotalBytes = memoryTotalBytes
        self.uptimeSeconds = uptimeSeconds
        self.gpus = Array(gpus.prefix(Self.gpuCountMax))
    }

    /// Memory of all accelerators together; 0 without any.
    package var gpuMemoryTotalBytes: UInt64 {
        gpus.reduce(0) { $0.addingReportingOverflow($1.memoryTotalBytes).partialValue }
    }
}

/// One accelerator.
package struct GPUReport: Hashable, Sendable {
    /// Where the figures came from; the interface shows it, so that a made-up GPU never looks like a real one.
    package enum Source: UInt8, Sendable, CaseIterable {
        case nvml
        case nvidiaSMI
        case apple
        /// Fixed values from the configuration.
        case configured
    }

    /// At most `Vitals.nameBytesMax` bytes of UTF-8; longer names are cut at a character.
    package let name: String
    /// 0...1, in thousandths; nil where the driver does not say.
    package let load: Double?
    package let memoryUsedBytes: UInt64
    package let memoryTotalBytes: UInt64
    package let source: Source

    package init(name: String, load: Double?, memoryUsedBytes: UInt64, memoryTotalBytes: UInt64, source: Source) {
        self.name = name.cut(toBytes: Vitals.nameBytesMax)
        self.load = load.map(Thousandths.round)
        self.memoryUsedBytes = memoryUsedBytes
        self.memoryTotalBytes = memoryTotalBytes
        self.source = source
    }
}

/// Shares travel as whole thousandths, so that what is decoded equals what was encoded.
enum Thousandths {
    /// The nearest thousandth in 0...1; anything that is not a number counts as 0.
    static func round(_ share: Double) -> Double { Double(count(share)) / 1000 }

    static func count(_ share: Double) -> UInt16 {
        guard share.isFinite else { return 0 }
        return UInt16(min(max(share, 0), 1) * 1000 + 0.5)
    }
}

extension String {
    /// The longest prefix of whole characters that takes at most `limit` bytes of UTF-8.
    func cut(toBytes limit: Int) -> String {
        if utf8.count <= limit { return self }
        var result = ""
        var used = 0
        for character in self {
            used += character.utf8.count
            if used > limit { break }
            result.append(character)
        }
        return result
    }
}
