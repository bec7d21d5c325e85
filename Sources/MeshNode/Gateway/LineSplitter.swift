import NIOCore

/// Cuts a byte stream into lines as they complete, however the network cut it; the carrier of NDJSON and of
/// server-sent events.
///
/// Memory is bounded: an unfinished line longer than `lineBytesMax` is a broken backend.
package struct LineSplitter {
    package static let lineBytesMax = 4 << 20

    /// The beginning of a line whose end has not arrived.
    private var rest: [UInt8] = []

    package init() {}

    package var holdsPartialLine: Bool { !rest.isEmpty }

    /// The complete lines that `chunk` finishes, without their ends (`\n` or `\r\n`).
    package mutating func push(_ chunk: ByteBuffer) throws(StreamRefusal) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for part in chunk.readableBytesView.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            if part.offset > 0 {
                lines.append(takeLine())
            }
            guard rest.count + part.element.count <= Self.lineBytesMax else { throw .lineTooLong }
            rest.append(contentsOf: part.element)
        }
        return lines
    }

    /// What stands after the last newline when the stream ends; nil if nothing does.
    package mutating func finish() -> [UInt8]? { rest.isEmpty ? nil : takeLine() }

    private mutating func takeLine() -> [UInt8] {
        var line: [UInt8] = []
        swap(&line, &rest)
        if line.last == 0x0D { line.removeLast() }
        return line
    }
}

/// Gathers the lines of server-sent events into the data of each event (WHATWG HTML §9.2.6). Only `data` matters here:
/// names, ids and comments are dropped.
package struct EventSplitter {
    private var lines = LineSplitter()
    private var data: [UInt8] = []
    private var hasData = false

    package init() {}

    package mutating func push(_ chunk: ByteBuffer) throws(StreamRefusal) -> [[UInt8]] {
        var events: [[UInt8]] = []
        for line in try lines.push(chunk) { try take(line, into: &events) }
        return events
    }

    /// An event whose closing blank line never came is still given: backends forget it after the last one.
    package mutating func finish() throws(StreamRefusal) -> [[UInt8]] {
        var events: [[UInt8]] = []
        if let line = lines.finish() { try take(line, into: &events) }
        try take([], into: &events)
        return events
    }

    private mutating func take(_ line: [UInt8], into events: inout [[UInt8]]) throws(StreamRefusal) {
        if line.isEmpty {
            if hasData { events.append(data) }
            data.removeAll(keepingCapacity: true)
            hasData = false
            return
        }
        guard line.starts(with: "data:".utf8) else { return }
        var value = line.dropFirst(5)
        if value.first == 0x20 { value = value.dropFirst() }
        guard data.count + value.count <= LineSplitter.lineBytesMax else { throw .lineTooLong }
        if hasData { data.append(0x0A) }
        data.append(contentsOf: value)
        hasData = true
    }
}

/// Why a backend's stream cannot be read on. The connection is closed; before the first byte another node is tried.
package enum StreamRefusal: Error, Hashable, Sendable {
    /// A line or event longer than `LineSplitter.lineBytesMax`.
    case lineTooLong
    /// A line or event that is not the JSON its dialect promises.
    case malformed
}
