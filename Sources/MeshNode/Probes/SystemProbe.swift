import Routing
import UVLoop

/// Processor and memory. CPU load is the busy share between two readings; the first reading says 0.
package struct SystemProbe {
    private var previous: HostReadings.CPUTimes?
    private let source: () -> HostReadings?

    package init() { self.init(source: HostReadings.read) }

    package init(source: @escaping () -> HostReadings?) { self.source = source }

    /// Vitals with the given accelerators. Where the system says nothing, its figures are 0.
    package mutating func read(gpus: [GPUReport]) -> Vitals {
        guard let readings = source() else {
            return Vitals(cpuLoad: 0, cores: 0, memoryUsedBytes: 0, memoryTotalBytes: 0, gpus: gpus)
        }
        let load = previous.map { Self.load(from: $0, to: readings.cpuTimes) } ?? 0
        previous = readings.cpuTimes
        let available = min(readings.memoryAvailableBytes, readings.memoryTotalBytes)
        return Vitals(
            cpuLoad: load, cores: readings.cores, memoryUsedBytes: readings.memoryTotalBytes - available,
            memoryTotalBytes: readings.memoryTotalBytes, uptimeSeconds: readings.uptimeSeconds, gpus: gpus)
    }

    /// 0 if no time passed, or if a counter went back because a core left.
    package static func load(from earlier: HostReadings.CPUTimes, to later: HostReadings.CPUTimes) -> Double {
        guard later.busy >= earlier.busy, later.idle >= earlier.idle else { return 0 }
        let busy = Double(later.busy - earlier.busy)
        let all = busy + Double(later.idle - earlier.idle)
        return all > 0 ? busy / all : 0
    }
}
