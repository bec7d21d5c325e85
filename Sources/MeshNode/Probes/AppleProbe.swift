#if os(macOS)
    import Foundation
    import IOKit
    import Primitives
    import Routing

    /// Apple GPUs, from the statistics that their driver publishes in the I/O registry (`IOAccelerator`). Memory is
    /// shared with the processor, so the total is the machine's.
    package struct AppleProbe: GPUProbe {
        package init() {}

        package func read(now: Instant) -> [GPUReport]? {
            var iterator: io_iterator_t = 0
            let matching = IOServiceMatching("IOAccelerator")
            guard IOServiceGetMatchingServices(kIOMainPortDefault, matching, &iterator) == KERN_SUCCESS else {
                return nil
            }
            defer { IOObjectRelease(iterator) }
            var gpus: [GPUReport] = []
            while gpus.count < Vitals.gpuCountMax {
                let service = IOIteratorNext(iterator)
                if service == 0 { break }
                defer { IOObjectRelease(service) }
                if let gpu = Self.report(of: service) { gpus.append(gpu) }
            }
            return gpus.isEmpty ? nil : gpus
        }

        private static func report(of service: io_registry_entry_t) -> GPUReport? {
            var unmanaged: Unmanaged<CFMutableDictionary>?
            guard IORegistryEntryCreateCFProperties(service, &unmanaged, kCFAllocatorDefault, 0) == KERN_SUCCESS,
                let properties = unmanaged?.takeRetainedValue() as? [String: Any],
                let statistics = properties["PerformanceStatistics"] as? [String: Any]
            else { return nil }
            let percent = statistics["Device Utilization %"] as? NSNumber
            let used = statistics["In use system memory"] as? NSNumber
            return GPUReport(
                name: properties["model"] as? String ?? "Apple GPU", load: percent.map { $0.doubleValue / 100 },
                memoryUsedBytes: used?.uint64Value ?? 0, memoryTotalBytes: ProcessInfo.processInfo.physicalMemory,
                source: .apple)
        }
    }
#endif
