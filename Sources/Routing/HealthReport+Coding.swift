import Primitives

// The wire form of the three health sections. Each begins with a version byte, so that a later form can be told apart,
// and refuses left-over bytes. Counts are varints, shares are thousandths, names are length-prefixed UTF-8.

private let formatVersion: UInt8 = 1

private func openSection(_ bytes: [UInt8]) throws(DecodeError) -> ByteReader {
    guard bytes.count <= HealthReport.sectionBytesMax else { throw .tooLong }
    var reader = ByteReader(bytes)
    guard try reader.readUInt8() == formatVersion else { throw .invalid("health section version") }
    return reader
}

extension ByteReader {
    fileprivate mutating func readShare() throws(DecodeError) -> Double {
        let thousandths = try readUInt16()
        guard thousandths <= 1000 else { throw .invalid("share") }
        return Double(thousandths) / 1000
    }

    fileprivate mutating func readCase<T: RawRepresentable<UInt8>>(_: T.Type) throws(DecodeError) -> T {
        guard let value = T(rawValue: try readUInt8()) else { throw .invalid("tag") }
        return value
    }
}

extension ByteWriter {
    fileprivate mutating func writeShare(_ share: Double) { write(Thousandths.count(share)) }
}

extension Vitals {
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.write(formatVersion)
        writer.writeShare(cpuLoad)
        writer.writeVarint(UInt64(cores))
        writer.writeVarint(memoryUsedBytes)
        writer.writeVarint(memoryTotalBytes)
        writer.writeVarint(uptimeSeconds)
        writer.writeArray(gpus) { writer, gpu in
            writer.write(gpu.name)
            writer.writeOptional(gpu.load) { writer, load in writer.writeShare(load) }
            writer.writeVarint(gpu.memoryUsedBytes)
            writer.writeVarint(gpu.memoryTotalBytes)
            writer.write(gpu.source.rawValue)
        }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = try openSection(bytes)
        let cpuLoad = try reader.readShare()
        let cores = try reader.readCount(limit: Int(UInt16.max))
        let memoryUsed = try reader.readVarint()
        let memoryTotal = try reader.readVarint()
        let uptime = try reader.readVarint()
        let gpus = try reader.readArray(limit: Self.gpuCountMax) { reader throws(DecodeError) in
            GPUReport(
                name: try reader.readString(limit: Self.nameBytesMax),
                load: try reader.readOptional { reader throws(DecodeError) in try reader.readShare() },
                memoryUsedBytes: try reader.readVarint(), memoryTotalBytes: try reader.readVarint(),
                source: try reader.readCase(GPUReport.Source.self))
        }
        try reader.expectEnd()
        self.init(
            cpuLoad: cpuLoad, cores: cores, memoryUsedBytes: memoryUsed, memoryTotalBytes: memoryTotal,
            uptimeSeconds: uptime, gpus: gpus)
    }
}

extension Load {
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.write(formatVersion)
        writer.writeVarint(clockMilliseconds)
        writer.write(isAcceptingWork)
        writer.writeShare(errorRate)
        writer.writeArray(backends) { writer, backend in
            writer.write(backend.name)
            writer.write(backend.kind.rawValue)
            writer.write(backend.isHealthy)
            writer.writeVarint(UInt64(backend.slots))
            writer.writeVarint(UInt64(backend.running))
            writer.writeVarint(UInt64(backend.queued))
            writer.writeVarint(UInt64(backend.queuedTokens))
            writer.writeVarint(backend.admitted)
            writer.write(UInt16(backend.slowdown * 10 + 0.5))
            writer.write(backend.server)
        }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = try openSection(bytes)
        let clock = try reader.readVarint()
        let isAcceptingWork = try reader.readBool()
        let errorRate = try reader.readShare()
        let backends = try reader.readArray(limit: Self.backendCountMax) { reader throws(DecodeError) in
            try BackendReport(reading: &reader)
        }
        try reader.expectEnd()
        self.init(clockMilliseconds: clock, isAcceptingWork: isAcceptingWork, errorRate: errorRate, backends: backends)
    }
}

extension BackendReport {
    fileprivate init(reading reader: inout ByteReader) throws(DecodeError) {
        let name = try reader.readString(limit: Self.nameBytesMax)
        let kind = try reader.readCase(Kind.self)
        let isHealthy = try reader.readBool()
        let slots = try reader.readCount(limit: Self.countMax)
        let running = try reader.readCount(limit: Self.countMax)
        let queued = try reader.readCount(limit: Self.countMax)
        let queuedTokens = try reader.readCount(limit: Self.tokensMax)
        let admitted = try reader.readVarint()
        let slowdownTenths = try reader.readUInt16()
        let server = try reader.readUInt32()
        guard slots > 0, slowdownTenths >= 10 else { throw .invalid("backend") }
        self.init(
            name: name, kind: kind, isHealthy: isHealthy, slots: slots, running: running, queued: queued,
            queuedTokens: queuedTokens, admitted: admitted, slowdown: Double(slowdownTenths) / 10, server: server)
    }
}

extension Catalog {
    /// Version, page, and two varints for the counts.
    static let headerBytesMax = 1 + 1 + 5 + 3
    private static let omittedCountMax = 1 << 20
    /// The smallest model takes 14 bytes.
    private static let modelCountMax = HealthReport.sectionBytesMax / 14

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.write(formatVersion)
        writer.write(UInt8(page))
        writer.writeVarint(UInt64(min(omittedCount, Self.omittedCountMax)))
        writer.writeArray(models) { writer, model in model.write(to: &writer) }
        precondition(
            writer.count <= HealthReport.sectionBytesMax,
            "catalogue page \(page) with \(models.count) models takes \(writer.count) bytes")
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = try openSection(bytes)
        let page = Int(try reader.readUInt8())
        guard page < Self.pageCount else { throw .invalid("catalogue page") }
        let omitted = try reader.readCount(limit: Self.omittedCountMax)
        let models = try reader.readArray(limit: Self.modelCountMax) { reader throws(DecodeError) in
            try ModelReport(reading: &reader)
        }
        try reader.expectEnd()
        self.init(page: page, models: models, omittedCount: omitted)
    }
}

extension ModelReport {
    var encodedByteCount: Int {
        var writer = ByteWriter(capacity: 160)
        write(to: &writer)
        return writer.count
    }

    fileprivate func write(to writer: inout ByteWriter) {
        writer.write(name)
        writer.write(UInt8(backend))
        writer.write(pool.rawValue)
        writer.write(isLoaded)
        writer.writeVarint(sizeBytes)
        writer.writeVarint(UInt64(parametersMillions))
        writer.write(family)
        writer.writeVarint(UInt64(contextTokens))
        writer.write(RateCode.encode(prefillTokensPerSecond))
        writer.write(RateCode.encode(decodeTokensPerSecond))
        writer.write(RateCode.encode(loadSeconds))
    }

    fileprivate init(reading reader: inout ByteReader) throws(DecodeError) {
        let name = try reader.readString(limit: Self.nameBytesMax)
        let backend = Int(try reader.readUInt8())
        let pool = try reader.readCase(Pool.self)
        let isLoaded = try reader.readBool()
        let sizeBytes = try reader.readVarint()
        let parameters = UInt32(try reader.readCount(limit: Int(UInt32.max)))
        let family = try reader.readString(limit: Self.familyBytesMax)
        let context = UInt32(try reader.readCount(limit: Int(UInt32.max)))
        let prefill = RateCode.decode(try reader.readUInt8())
        let decode = RateCode.decode(try reader.readUInt8())
        let load = RateCode.decode(try reader.readUInt8())
        guard
            let model = ModelReport(
                name: name, backend: backend, pool: pool, isLoaded: isLoaded, sizeBytes: sizeBytes,
                parametersMillions: parameters, family: family, contextTokens: context,
                prefillTokensPerSecond: prefill, decodeTokensPerSecond: decode, loadSeconds: load)
        else { throw .invalid("model") }
        self = model
    }
}
