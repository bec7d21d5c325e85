import Primitives
import Routing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// NVIDIA GPUs through NVML, the driver's own library, loaded at run time: an agent built without it runs everywhere,
/// and uses it where a driver is installed. Source: NVIDIA, "NVML API Reference Guide".
///
/// No library, or one that fails, is normal and silent; it is tried again after `retryInterval`, because drivers get
/// installed and reloaded under running agents.
package struct NVMLProbe: GPUProbe {
    package static let retryInterval: Duration = .seconds(60)

    private enum State {
        case closed
        case open(NVMLLibrary)
        case absent(until: Instant)
    }

    private let library: String
    private var state: State = .closed

    /// `library`: a name that the dynamic loader searches, or a path.
    package init(library: String = "libnvidia-ml.so.1") { self.library = library }

    package mutating func read(now: Instant) -> [GPUReport]? {
        if case .absent(let until) = state, now < until { return nil }
        let library: NVMLLibrary
        if case .open(let known) = state {
            library = known
        } else if let found = NVMLLibrary(path: self.library) {
            library = found
            state = .open(found)
        } else {
            state = .absent(until: now + Self.retryInterval)
            return nil
        }
        guard let reports = library.read() else {
            // A driver that was unloaded fails every call until NVML is initialised anew.
            state = .absent(until: now + Self.retryInterval)
            return nil
        }
        return reports
    }
}

/// The loaded library and the six functions that are used. Owns its handle: initialised once, shut down and closed
/// when the last reference goes.
private final class NVMLLibrary {
    private typealias Device = OpaquePointer
    private typealias PlainCall = @convention(c) () -> Int32
    private typealias CountCall = @convention(c) (UnsafeMutablePointer<UInt32>) -> Int32
    private typealias HandleCall = @convention(c) (UInt32, UnsafeMutablePointer<Device?>) -> Int32
    private typealias NameCall = @convention(c) (Device, UnsafeMutablePointer<CChar>, UInt32) -> Int32
    private typealias FigureCall = @convention(c) (Device, UnsafeMutableRawPointer) -> Int32

    /// `nvmlUtilization_t`: percent over the last sample period.
    private struct Utilization {
        var gpu: UInt32 = 0
        var memory: UInt32 = 0
    }

    /// `nvmlMemory_t`: bytes.
    private struct Memory {
        var total: UInt64 = 0
        var free: UInt64 = 0
        var used: UInt64 = 0
    }

    private static let success: Int32 = 0
    /// `NVML_DEVICE_NAME_V2_BUFFER_SIZE`.
    private static let nameBytesMax = 96

    private let handle: UnsafeMutableRawPointer
    private let shutdown: PlainCall
    private let deviceCount: CountCall
    private let deviceHandle: HandleCall
    private let deviceName: NameCall
    private let deviceUtilization: FigureCall
    private let deviceMemory: FigureCall

    /// Nil if there is no such library, if it lacks a function, or if it finds no driver.
    init?(path: String) {
        guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else { return nil }
        guard let initialize = dlsym(handle, "nvmlInit_v2"), let shutdown = dlsym(handle, "nvmlShutdown"),
            let count = dlsym(handle, "nvmlDeviceGetCount_v2"),
            let device = dlsym(handle, "nvmlDeviceGetHandleByIndex_v2"),
            let name = dlsym(handle, "nvmlDeviceGetName"),
            let utilization = dlsym(handle, "nvmlDeviceGetUtilizationRates"),
            let memory = dlsym(handle, "nvmlDeviceGetMemoryInfo")
        else {
            dlclose(handle)
            return nil
        }
        // The signatures are those of nvml.h, stable since driver 415.
        guard unsafeBitCast(initialize, to: PlainCall.self)() == Self.success else {
            dlclose(handle)
            return nil
        }
        self.handle = handle
        self.shutdown = unsafeBitCast(shutdown, to: PlainCall.self)
        deviceCount = unsafeBitCast(count, to: CountCall.self)
        deviceHandle = unsafeBitCast(device, to: HandleCall.self)
        deviceName = unsafeBitCast(name, to: NameCall.self)
        deviceUtilization = unsafeBitCast(utilization, to: FigureCall.self)
        deviceMemory = unsafeBitCast(memory, to: FigureCall.self)
    }

    deinit {
        _ = shutdown()
        dlclose(handle)
    }

    /// Nil if the driver is gone. A single device that fails, fallen off the bus, is left out.
    func read() -> [GPUReport]? {
        var count: UInt32 = 0
        guard deviceCount(&count) == Self.success else { return nil }
        return (0..<min(count, UInt32(Vitals.gpuCountMax))).compactMap(readDevice)
    }

    private func readDevice(_ index: UInt32) -> GPUReport? {
        var device: Device?
        var memory = Memory()
        guard deviceHandle(index, &device) == Self.success, let device, deviceMemory(device, &memory) == Self.success
        else { return nil }
        var utilization = Utilization()
        // Some devices, MIG slices among them, do not measure it.
        let hasLoad = deviceUtilization(device, &utilization) == Self.success
        return GPUReport(
            name: name(of: device) ?? "NVIDIA GPU", load: hasLoad ? Double(utilization.gpu) / 100 : nil,
            memoryUsedBytes: memory.used, memoryTotalBytes: memory.total, source: .nvml)
    }

    private func name(of device: Device) -> String? {
        var buffer = [CChar](repeating: 0, count: Self.nameBytesMax)
        guard deviceName(device, &buffer, UInt32(buffer.count)) == Self.success else { return nil }
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(validating: bytes, as: UTF8.self)
    }
}
