import MeshNode
import Primitives
import Routing
import Testing
import UVLoop

@Suite("System probe")
struct ProbeSystemTests {
    private static func times(_ busy: UInt64, _ idle: UInt64) -> HostReadings.CPUTimes {
        HostReadings.CPUTimes(busy: busy, idle: idle)
    }

    @Test(
        "CPU load is the busy share between two readings",
        arguments: [
            (times(0, 0), times(0, 0), 0.0), (times(10, 10), times(10, 20), 0), (times(10, 10), times(20, 10), 1),
            (times(100, 900), times(150, 1050), 0.25),
            // A core went offline: its counters left the sum.
            (times(100, 900), times(90, 950), 0), (times(100, 900), times(150, 800), 0),
        ] as [(HostReadings.CPUTimes, HostReadings.CPUTimes, Double)])
    func load(from earlier: HostReadings.CPUTimes, to later: HostReadings.CPUTimes, expected: Double) {
        #expect(SystemProbe.load(from: earlier, to: later) == expected)
    }

    @Test("this machine has cores, memory, an uptime and, once it worked, a load")
    func live() {
        var probe = SystemProbe()
        let first = probe.read(gpus: [])
        #expect(first.cpuLoad == 0)
        #expect(first.cores > 0)
        #expect(first.memoryTotalBytes > 64 << 20)
        #expect(first.memoryUsedBytes > 0 && first.memoryUsedBytes < first.memoryTotalBytes)
        #expect(first.uptimeSeconds > 0)
        // CPU counters advance in steps of 10 ms.
        let end = ContinuousClock.now + .milliseconds(200)
        var sum: UInt64 = 0
        while ContinuousClock.now < end { sum &+= 1 }
        let second = probe.read(gpus: [])
        #expect(second.cpuLoad > 0, "after \(sum) turns")
    }

    @Test("a system that says nothing gives zeros, and the accelerators all the same")
    func silentSystem() {
        var probe = SystemProbe { nil }
        let gpu = GPUReport(name: "g", load: 0.5, memoryUsedBytes: 1, memoryTotalBytes: 2, source: .configured)
        let vitals = probe.read(gpus: [gpu])
        #expect(vitals.memoryTotalBytes == 0)
        #expect(vitals.gpus == [gpu])
    }

    @Test("more memory available than there is counts as none used")
    func oddMemory() {
        var probe = SystemProbe {
            HostReadings(
                cpuTimes: Self.times(0, 0), cores: 1, memoryAvailableBytes: 20, memoryTotalBytes: 10, uptimeSeconds: 1)
        }
        #expect(probe.read(gpus: []).memoryUsedBytes == 0)
    }
}
