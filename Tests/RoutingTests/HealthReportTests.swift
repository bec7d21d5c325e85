import Primitives
import Routing
import Testing

@Suite("Health sections")
struct HealthReportTests {
    private func gpu(_ number: Int) -> GPUReport {
        GPUReport(
            name: String(repeating: "x", count: 48 - number), load: number == 0 ? nil : 0.934,
            memoryUsedBytes: .max, memoryTotalBytes: .max, source: .nvml)
    }

    private func backend(_ number: Int) -> BackendReport {
        BackendReport(
            name: String(repeating: "b", count: 31) + "\(number % 10)", kind: .openai, isHealthy: number % 2 == 0,
            slots: .max, running: .max, queued: .max, queuedTokens: .max, admitted: .max, slowdown: 6553,
            server: .max)
    }

    private func model(_ number: Int, isLoaded: Bool = false) -> ModelReport {
        ModelReport(
            name: "registry.example/library/model-\(number):8b-q4", backend: number % 3, pool: .embedding,
            isLoaded: isLoaded, sizeBytes: 4_900_000_000, parametersMillions: 8030, family: "llama",
            contextTokens: 131_072, prefillTokensPerSecond: 5120, decodeTokensPerSecond: 112, loadSeconds: 3.5)!
    }

    private var fullest: HealthReport {
        HealthReport(
            vitals: Vitals(
                cpuLoad: 0.123, cores: 128, memoryUsedBytes: .max, memoryTotalBytes: .max, uptimeSeconds: .max,
                gpus: (0..<12).map(gpu)),
            load: Load(
                clockMilliseconds: .max, isAcceptingWork: false, errorRate: 0.01, backends: (0..<12).map(backend)),
            catalogs: Catalog.makePages((0..<200).map { model($0) }))
    }

    @Test("the fullest report fits its sections and comes back equal")
    func roundTrip() throws {
        let sections = fullest.encodeSections()
        #expect(sections.count == 2 + Catalog.pageCount)
        #expect(sections.allSatisfy { $0.count <= HealthReport.sectionBytesMax })
        #expect(try HealthReport(decodingSections: sections) == fullest)
    }

    @Test("each section decodes without the others")
    func independence() throws {
        var sections = fullest.encodeSections()
        sections[0] = []
        sections[3] = []
        let report = try HealthReport(decodingSections: sections)
        #expect(report.vitals == nil)
        #expect(report.load == fullest.load)
        #expect(report.catalogs.map(\.page) == [0, 2, 3])
    }

    @Test("loaded models come first, and models that fit nowhere are counted")
    func catalogPages() {
        let models = (0..<300).map { model($0, isLoaded: $0 == 299) }
        let pages = Catalog.makePages(models)
        #expect(pages[0].models.first?.name == "registry.example/library/model-299:8b-q4")
        let listed = pages.reduce(0) { $0 + $1.models.count }
        #expect(listed > 50)
        #expect(pages.allSatisfy { $0.omittedCount == 300 - listed })
        let single = Catalog(models: models)
        #expect(single.models == pages[0].models)
        #expect(single.omittedCount == 300 - single.models.count)
    }

    @Test("a catalogue that shrinks still sends every page, so that old pages are replaced")
    func shrunkCatalog() {
        let pages = Catalog.makePages([model(1)])
        #expect(pages.map(\.models.count) == [1, 0, 0, 0])
    }

    @Test("a model name is never cut; a backend name is")
    func names() {
        #expect(ModelReport(name: String(repeating: "m", count: 128), backend: 0, isLoaded: true) != nil)
        #expect(ModelReport(name: String(repeating: "m", count: 129), backend: 0, isLoaded: true) == nil)
        #expect(ModelReport(name: "", backend: 0, isLoaded: true) == nil)
        #expect(ModelReport(name: "m", backend: Load.backendCountMax, isLoaded: true) == nil)
        let umlauts = BackendReport(name: String(repeating: "ü", count: 17), kind: .demo, slots: 1)
        #expect(umlauts.name == String(repeating: "ü", count: 16))
    }

    @Test("rates travel within 7 percent", arguments: [0.01, 0.9, 1, 7.3, 151, 384, 5000, 99_999, 1_500_000])
    func rates(rate: Double) {
        let model = ModelReport(name: "m", backend: 0, isLoaded: true, decodeTokensPerSecond: rate)
        let travelled = model?.decodeTokensPerSecond ?? 0
        #expect(abs(travelled / rate - 1) <= 0.07)
    }

    @Test(
        "shares outside 0...1 and figures that are no numbers are pulled in",
        arguments: [
            (-1.0, 0.0), (2.0, 1.0), (Double.nan, 0.0), (Double.infinity, 0.0), (0.12345, 0.123),
        ])
    func shares(given: Double, kept: Double) {
        #expect(Vitals(cpuLoad: given, cores: 1, memoryUsedBytes: 0, memoryTotalBytes: 0).cpuLoad == kept)
        let backend = BackendReport(name: "b", kind: .demo, slots: 0, slowdown: given)
        #expect(backend.slots == 1)
        #expect(backend.slowdown >= 1)
    }

    @Test("a load that only moved its clock is no news")
    func clockIsNoNews() {
        let early = Load(clockMilliseconds: 1, backends: [backend(0)])
        #expect(!Load(clockMilliseconds: 2, backends: [backend(0)]).differs(from: early))
        #expect(Load(clockMilliseconds: 1, isAcceptingWork: false, backends: [backend(0)]).differs(from: early))
    }

    @Test("every truncation is refused")
    func truncation() {
        for (number, section) in fullest.encodeSections().enumerated() {
            for length in 1..<section.count {
                var sections = [[UInt8]](repeating: [], count: 6)
                sections[number] = Array(section[..<length])
                #expect(throws: DecodeError.self) { try HealthReport(decodingSections: sections) }
            }
        }
    }

    @Test("left-over bytes, oversized sections, surplus sections and unknown versions are refused")
    func refusals() {
        let load = fullest.encodeSections()[1]
        #expect(throws: DecodeError.trailingBytes) { try Load(decoding: Load(backends: []).encode() + [0]) }
        #expect(throws: DecodeError.tooLong) {
            try Load(decoding: load + [UInt8](repeating: 0, count: 1001 - load.count))
        }
        #expect(throws: DecodeError.invalid("health section version")) { try Load(decoding: [2] + load.dropFirst()) }
        #expect(throws: DecodeError.tooLong) { try HealthReport(decodingSections: .init(repeating: [], count: 7)) }
    }

    @Test("a share beyond one is refused: 1001 thousandths behind the version byte")
    func oversizedShare() {
        var bytes = Vitals(cpuLoad: 1, cores: 1, memoryUsedBytes: 0, memoryTotalBytes: 0).encode()
        bytes[1] += 1
        #expect(throws: DecodeError.invalid("share")) { try Vitals(decoding: bytes) }
    }

    @Test("flipped bytes never trap, and what decodes encodes to bytes that decode to the same")
    func flippedBytes() throws {
        var random = SeededRandom(seed: 7)
        let sections = fullest.encodeSections()
        for _ in 0..<20_000 {
            let number = random.below(sections.count)
            var damaged = [[UInt8]](repeating: [], count: sections.count)
            damaged[number] = sections[number]
            for _ in 0...random.below(3) {
                let position = random.below(damaged[number].count)
                damaged[number][position] = UInt8(random.below(256))
            }
            guard let report = try? HealthReport(decodingSections: damaged) else { continue }
            #expect(try HealthReport(decodingSections: report.encodeSections()) == report)
        }
    }
}
