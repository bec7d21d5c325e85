import Dispatch
import Primitives
import Routing

/// All probes of this machine: processor and memory, and the first way to its accelerators that answers.
///
/// An actor on a queue of its own: a driver that takes its time holds up neither the loop nor the HTTP tasks.
package actor ProbeSet {
    private let executor = QueueExecutor()
    private var system: SystemProbe
    private var gpuProbes: [any GPUProbe]

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// `configured`: reported instead of what is there, unless empty.
    package init(configured: [GPUReport] = []) {
        system = SystemProbe()
        gpuProbes = configured.isEmpty ? Self.probesOfThisPlatform : [ConfiguredProbe(gpus: configured)]
    }

    package init(system: sending SystemProbe, gpuProbes: sending [any GPUProbe]) {
        self.system = system
        self.gpuProbes = gpuProbes
    }

    private static var probesOfThisPlatform: [any GPUProbe] {
        #if os(macOS)
            [AppleProbe()]
        #else
            [NVMLProbe(), NVIDIACommandProbe()]
        #endif
    }

    /// What this machine says now. The first call reports no CPU load: it needs two readings.
    package func read(now: Instant) -> Vitals {
        var gpus: [GPUReport] = []
        for index in gpuProbes.indices {
            if let found = gpuProbes[index].read(now: now) {
                gpus = found
                break
            }
        }
        return system.read(gpus: gpus)
    }
}

/// Runs an actor's work on a dispatch queue, where it may block. (`DispatchSerialQueue` would do, but is only on macOS.)
private final class QueueExecutor: SerialExecutor {
    private let queue = DispatchQueue(label: "meshnode.probes")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
