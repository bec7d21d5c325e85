import Primitives
import Routing

/// NVIDIA GPUs through the `nvidia-smi` command: the fallback where its library cannot be loaded, as in containers that
/// get only the tool. Starting it takes 20 ms to seconds, so an answer is kept for `interval`.
package struct NVIDIACommandProbe: GPUProbe {
    package static let interval: Duration = .seconds(5)
    /// After an absence or a failure.
    package static let retryInterval: Duration = .seconds(60)
    package static let timeLimit: Duration = .seconds(3)
    static let arguments = [
        "--query-gpu=name,utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits",
    ]

    private let command: String
    private var kept: [GPUReport]?
    private var nextRun = Instant(nanoseconds: .min)

    /// `command`: a path, or a name that is looked for in the directories of `PATH`.
    package init(command: String = "nvidia-smi") { self.command = command }

    package mutating func read(now: Instant) -> [GPUReport]? {
        if now < nextRun { return kept }
        kept = BoundedCommand.find(command)
            .flatMap { BoundedCommand.run($0, arguments: Self.arguments, timeLimit: Self.timeLimit) }
            .flatMap(Self.parse)
        nextRun = now + (kept == nil ? Self.retryInterval : Self.interval)
        return kept
    }

    /// One GPU a line: `NVIDIA GeForce RTX 4090, 37, 21504, 24564`, percent and MiB. Figures that the driver does not
    /// have read `[N/A]` or `[Not Supported]`. Lines of another shape are skipped; nil if none has the right one.
    package static func parse(_ output: String) -> [GPUReport]? {
        let gpus = output.split(whereSeparator: \.isNewline).compactMap { line -> GPUReport? in
            let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(trim)
            // A name may hold a comma; the figures are the last three.
            guard fields.count >= 4 else { return nil }
            let name = fields.dropLast(3).joined(separator: ", ")
            let figures = fields.suffix(3).map { UInt64($0) }
            guard !name.isEmpty, let total = figures[2] ?? (isMissing(fields[fields.count - 1]) ? 0 : nil) else {
                return nil
            }
            return GPUReport(
                name: name, load: figures[0].map { Double($0) / 100 }, memoryUsedBytes: bytes(figures[1] ?? 0),
                memoryTotalBytes: bytes(total), source: .nvidiaSMI)
        }
        return gpus.isEmpty ? nil : Array(gpus.prefix(Vitals.gpuCountMax))
    }

    private static func isMissing(_ field: String) -> Bool { field.hasPrefix("[") && field.hasSuffix("]") }

    private static func bytes(_ mebibytes: UInt64) -> UInt64 {
        let (product, overflow) = mebibytes.multipliedReportingOverflow(by: 1 << 20)
        return overflow ? .max : product
    }

    private static func trim(_ field: Substring) -> String {
        let start = field.drop { $0 == " " }
        guard let last = start.lastIndex(where: { $0 != " " }) else { return "" }
        return String(start[...last])
    }
}
