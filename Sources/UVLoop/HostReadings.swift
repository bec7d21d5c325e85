import Cuv

/// What the operating system says of the machine now, through libuv: the one place that asks it, on every platform.
///
/// Takes a fraction of a millisecond on a few cores and reads small files on Linux: ask every second or so, not per
/// request.
package struct HostReadings: Hashable, Sendable {
    /// Milliseconds that all cores together spent since the machine started. Each only ever grows, except when a core is
    /// taken offline.
    package struct CPUTimes: Hashable, Sendable {
        package let busy: UInt64
        package let idle: UInt64

        package init(busy: UInt64, idle: UInt64) {
            self.busy = busy
            self.idle = idle
        }
    }

    package let cpuTimes: CPUTimes
    package let cores: Int
    /// What a new program could get without swapping: on Linux free plus reclaimable, on macOS only free pages.
    package let memoryAvailableBytes: UInt64
    package let memoryTotalBytes: UInt64
    package let uptimeSeconds: UInt64

    package init(
        cpuTimes: CPUTimes, cores: Int, memoryAvailableBytes: UInt64, memoryTotalBytes: UInt64, uptimeSeconds: UInt64
    ) {
        self.cpuTimes = cpuTimes
        self.cores = cores
        self.memoryAvailableBytes = memoryAvailableBytes
        self.memoryTotalBytes = memoryTotalBytes
        self.uptimeSeconds = uptimeSeconds
    }

    /// Nil if the system refuses, for instance where `/proc` is not mounted.
    package static func read() -> HostReadings? {
        var list: UnsafeMutablePointer<uv_cpu_info_t>?
        var count: Int32 = 0
        guard uv_cpu_info(&list, &count) == 0, let list else { return nil }
        defer { uv_free_cpu_info(list, count) }
        var busy: UInt64 = 0
        var idle: UInt64 = 0
        for core in UnsafeBufferPointer(start: list, count: Int(count)) {
            let spent = core.cpu_times
            busy &+= spent.user &+ spent.nice &+ spent.sys &+ spent.irq
            idle &+= spent.idle
        }
        var uptime = 0.0
        guard uv_uptime(&uptime) == 0 else { return nil }
        return HostReadings(
            cpuTimes: CPUTimes(busy: busy, idle: idle), cores: Int(count), memoryAvailableBytes: uv_get_free_memory(),
            memoryTotalBytes: uv_get_total_memory(), uptimeSeconds: UInt64(max(0, uptime)))
    }
}
