import Foundation
import MeshNode
import Primitives
import Routing
import Testing

@Suite("GPU probes")
struct ProbeGPUTests {
    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test("nvidia-smi's lines become reports")
    func parses() {
        let output = """
            NVIDIA GeForce RTX 4090, 37, 21504, 24564
            NVIDIA H100 80GB HBM3, 100, 81559, 81559
            """
        #expect(
            NVIDIACommandProbe.parse(output) == [
                GPUReport(
                    name: "NVIDIA GeForce RTX 4090", load: 0.37, memoryUsedBytes: 21504 << 20,
                    memoryTotalBytes: 24564 << 20, source: .nvidiaSMI),
                GPUReport(
                    name: "NVIDIA H100 80GB HBM3", load: 1, memoryUsedBytes: 81559 << 20,
                    memoryTotalBytes: 81559 << 20, source: .nvidiaSMI),
            ])
    }

    @Test(
        "figures the driver does not have are unknown, not zero percent",
        arguments: [
            ("NVIDIA A100-SXM4-80GB MIG 1g.10gb, [N/A], 25, 9856", 25, 9856),
            ("Tesla K80, [Not Supported], 0, 11441", 0, 11441), ("NVIDIA GB10, 5, [N/A], [N/A]", 0, 0),
            ("NVIDIA Graphics Device, Rev A, [N/A], 1, 2\r", 1, 2),
        ] as [(String, UInt64, UInt64)])
    func missingFigures(line: String, used: UInt64, total: UInt64) {
        let gpu = NVIDIACommandProbe.parse(line + "\n")?.first
        #expect(gpu?.memoryUsedBytes == used << 20)
        #expect(gpu?.memoryTotalBytes == total << 20)
        #expect((gpu?.load == nil) == (total != 0))
    }

    @Test(
        "what is no list of GPUs is none",
        arguments: [
            "", "\n", "No devices were found",
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
            ", 1, 2, 3", "a, b, c, d", "a, 1, 2, -3", "1, 2, 3",
        ])
    func otherOutput(output: String) {
        #expect(NVIDIACommandProbe.parse(output) == nil)
    }

    @Test("absurd figures saturate, and more GPUs than a report holds are cut")
    func bounds() {
        let line = "g, 999, 18446744073709551615, 18446744073709551615\n"
        let gpus = NVIDIACommandProbe.parse(String(repeating: line, count: 40))
        #expect(gpus?.count == Vitals.gpuCountMax)
        #expect(gpus?.first?.load == 1)
        #expect(gpus?.first?.memoryTotalBytes == .max)
    }

    @Test("without library and command there are no GPUs, and no noise")
    func absent() {
        var library = NVMLProbe(library: "libno-such-library.so.1")
        #expect(library.read(now: at(0)) == nil)
        #expect(library.read(now: at(61)) == nil)
        var command = NVIDIACommandProbe(command: "no-such-command-of-nvidia")
        #expect(command.read(now: at(0)) == nil)
    }

    @Test("a library without NVML's functions is refused")
    func wrongLibrary() throws {
        let directory = try ScratchDirectory()
        try FakeNVML.build("int unrelated(void) { return 0; }", in: directory)
        var probe = NVMLProbe(library: directory.path("fake.so"))
        #expect(probe.read(now: at(0)) == nil)
    }

    @Test("a real shared library that exports NVML is loaded, read and shut down")
    func library() throws {
        let directory = try ScratchDirectory()
        try FakeNVML.build(FakeNVML.source(marker: directory.path("shutdown")), in: directory)
        do {
            var probe = NVMLProbe(library: directory.path("fake.so"))
            #expect(
                probe.read(now: at(0)) == [
                    GPUReport(
                        name: "NVIDIA GeForce RTX 4090", load: 0.42, memoryUsedBytes: 20 << 30,
                        memoryTotalBytes: 24 << 30, source: .nvml),
                    // Number 1 fell off the bus; number 2 does not measure its load.
                    GPUReport(
                        name: "MIG slice", load: nil, memoryUsedBytes: 1 << 30, memoryTotalBytes: 10 << 30,
                        source: .nvml),
                ])
            #expect(!directory.exists("shutdown"))
        }
        #expect(directory.exists("shutdown"))
    }

    @Test("a command is run, its answer kept for a while, and a failing one left alone")
    func command() throws {
        let directory = try ScratchDirectory()
        let tool = try directory.script(
            "nvidia-smi", "echo run >> '\(directory.path("runs"))'; echo 'Tesla T4, 7, 100, 15360'")
        var probe = NVIDIACommandProbe(command: tool)
        #expect(probe.read(now: at(0))?.first?.name == "Tesla T4")
        #expect(probe.read(now: at(4))?.count == 1)
        #expect(try directory.text("runs") == "run\n")
        _ = probe.read(now: at(5))
        #expect(try directory.text("runs") == "run\nrun\n")

        let broken = try directory.script("broken", "echo run >> '\(directory.path("tries"))'; exit 9")
        var failing = NVIDIACommandProbe(command: broken)
        #expect(failing.read(now: at(0)) == nil)
        #expect(failing.read(now: at(59)) == nil)
        #expect(try directory.text("tries") == "run\n")
    }

    @Test("a command that hangs is killed at its limit; one that floods is refused")
    func boundedCommand() throws {
        let directory = try ScratchDirectory()
        let hanging = try directory.script("hanging", "exec sleep 60")
        let start = ContinuousClock.now
        #expect(BoundedCommand.run(hanging, arguments: [], timeLimit: .milliseconds(300)) == nil)
        #expect(ContinuousClock.now - start < .seconds(20))
        let flooding = try directory.script("flooding", "exec head -c 1000000 /dev/zero")
        #expect(BoundedCommand.run(flooding, arguments: [], timeLimit: .milliseconds(500)) == nil)
        let speaking = try directory.script("speaking", "echo $1-$2")
        #expect(BoundedCommand.run(speaking, arguments: ["a", "b c"], timeLimit: .seconds(20)) == "a-b c\n")
    }

    @Test("the first way that answers is used, and configured figures replace all")
    func probeSet() async {
        struct Silent: GPUProbe { func read(now: Instant) -> [GPUReport]? { nil } }
        func gpu(_ name: String) -> GPUReport {
            GPUReport(name: name, load: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, source: .configured)
        }
        let set = ProbeSet(
            system: SystemProbe { nil },
            gpuProbes: [Silent(), ConfiguredProbe(gpus: [gpu("a")]), ConfiguredProbe(gpus: [gpu("b")])])
        #expect(await set.read(now: at(0)).gpus.map(\.name) == ["a"])
        let configured = await ProbeSet(configured: [gpu("demo")]).read(now: at(0))
        #expect(configured.gpus.map(\.name) == ["demo"])
        #expect(configured.cores > 0)
    }
}

/// A shared library that answers like NVML, compiled from C when a test needs it.
private enum FakeNVML {
    static func build(_ source: String, in directory: ScratchDirectory) throws {
        guard let compiler = BoundedCommand.find("cc") ?? BoundedCommand.find("clang") else {
            try Test.cancel("NO C COMPILER: the loading of NVML was not tested")
        }
        try source.write(toFile: directory.path("fake.c"), atomically: true, encoding: .utf8)
        let arguments = ["-shared", "-fPIC", "-o", directory.path("fake.so"), directory.path("fake.c")]
        try #require(BoundedCommand.run(compiler, arguments: arguments, timeLimit: .seconds(60)) != nil)
    }

    static func source(marker: String) -> String {
        """
        #include <stdio.h>
        #include <string.h>
        typedef struct { unsigned int gpu, memory; } utilization;
        typedef struct { unsigned long long total, free, used; } memory;
        static int devices[3];
        static int initialized = 0;
        int nvmlInit_v2(void) { initialized = 1; return 0; }
        int nvmlShutdown(void) { FILE *f = fopen("\(marker)", "w"); if (f) fclose(f); return 0; }
        int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 3; return initialized ? 0 : 1; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned int i, void **device) { *device = &devices[i]; return 0; }
        int nvmlDeviceGetName(void *device, char *name, unsigned int length) {
            const char *text = device == &devices[0] ? "NVIDIA GeForce RTX 4090" : "MIG slice";
            if (length < 96) return 7;
            strcpy(name, text);
            return 0;
        }
        int nvmlDeviceGetUtilizationRates(void *device, utilization *u) {
            if (device == &devices[2]) return 3;
            u->gpu = 42; u->memory = 13;
            return 0;
        }
        int nvmlDeviceGetMemoryInfo(void *device, memory *m) {
            if (device == &devices[1]) return 15;
            if (device == &devices[0]) { m->total = 24ull << 30; m->used = 20ull << 30; }
            else { m->total = 10ull << 30; m->used = 1ull << 30; }
            m->free = m->total - m->used;
            return 0;
        }
        """
    }
}

/// A directory of a test's own, removed with it.
private final class ScratchDirectory {
    private let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("meshnode-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }
    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
    func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

    /// An executable shell script; returns its path.
    func script(_ name: String, _ body: String) throws -> String {
        try "#!/bin/sh\n\(body)\n".write(toFile: path(name), atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path(name))
        return path(name)
    }
}
