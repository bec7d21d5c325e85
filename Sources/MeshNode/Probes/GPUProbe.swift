import Primitives
import Routing

/// One way to learn about accelerators.
package protocol GPUProbe {
    /// The accelerators now; nil where this way does not exist on this machine or fails, so that the next can be tried.
    /// May take milliseconds, `NVIDIACommandProbe` up to seconds: never from the loop's thread.
    mutating func read(now: Instant) -> [GPUReport]?
}

/// Fixed figures from the configuration, for demonstrations: five agents on one machine can then look like five
/// machines. Reported as `configured`, so that nobody takes them for real.
package struct ConfiguredProbe: GPUProbe {
    package let gpus: [GPUReport]

    package init(gpus: [GPUReport]) { self.gpus = gpus }

    package func read(now: Instant) -> [GPUReport]? { gpus }
}
