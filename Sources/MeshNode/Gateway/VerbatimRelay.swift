import NIOCore

/// Passes a stream on unchanged while watching it: whole lines only, so that an error event never lands inside one, and
/// enough of a look to know whether the end was the end.
///
/// A stream in the client's own dialect keeps whatever the backend puts into it, known to us or not.
package struct VerbatimRelay {
    private let dialect: Dialect
    private var rest = ByteBuffer()
    private var isComplete = false
    private var pieceCount = 0
    /// As the backend's last lines tell it; absent in many OpenAI streams.
    package private(set) var usage: Usage?
    /// What the backend said when it gave up.
    package private(set) var failure: String?

    package init(_ dialect: Dialect) { self.dialect = dialect }

    /// The stream said that it was finished, in its dialect's way.
    package var sawEnd: Bool { isComplete }

    /// Told by the backend, or else one token a piece, which is how both dialects stream.
    package var completionTokens: Int { usage?.completionTokens ?? pieceCount }

    /// The whole lines that can be passed on now; empty if `chunk` ends none. A line that reports an error, and all
    /// after it, is withheld: the caller decides between another node and an error of its own.
    package mutating func push(_ chunk: ByteBuffer) throws(StreamRefusal) -> ByteBuffer {
        var chunk = chunk
        if rest.readableBytes > 0 {
            rest.writeBuffer(&chunk)
            chunk = rest
            rest = ByteBuffer()
        }
        var passed = 0
        var bytes = chunk.readableBytesView
        while failure == nil, let end = bytes.firstIndex(of: 0x0A) {
            inspect(bytes[..<end])
            if failure != nil { break }
            bytes = bytes[(end + 1)...]
            passed = chunk.readableBytes - bytes.count
        }
        // Force-unwrap: `passed` counts bytes that were seen in this buffer.
        let whole = chunk.readSlice(length: passed)!
        guard chunk.readableBytes <= LineSplitter.lineBytesMax else { throw .lineTooLong }
        rest = failure == nil ? chunk : ByteBuffer()
        return whole
    }

    /// The last line, if the backend closed without ending it.
    package mutating func finish() -> ByteBuffer {
        var last = rest
        rest = ByteBuffer()
        guard last.readableBytes > 0, failure == nil else { return ByteBuffer() }
        inspect(last.readableBytesView)
        if failure != nil { return ByteBuffer() }
        last.writeInteger(UInt8(0x0A))
        return last
    }

    private mutating func inspect(_ line: ByteBufferView) {
        switch dialect {
        case .ollama: inspectOllama(line)
        case .openai: inspectOpenAI(line)
        }
    }

    private mutating func inspectOllama(_ line: ByteBufferView) {
        guard !line.isEmpty else { return }
        pieceCount += 1
        let isLast = line.firstByte(ofMember: "done") == UInt8(ascii: "t")
        guard isLast || line.starts(with: #"{"error""#.utf8) else { return }
        guard let document = try? JSONParser.parse(Array(line)) else { return }
        if let text = BackendError.text(in: document) {
            failure = text
            return
        }
        guard document["done"]?.isTrue ?? false else { return }
        isComplete = true
        var usage = Usage(
            promptTokens: document["prompt_eval_count"]?.tokenCount ?? 0,
            completionTokens: document["eval_count"]?.tokenCount ?? pieceCount)
        usage.load = document["load_duration"]?.toldSpan
        usage.prefill = document["prompt_eval_duration"]?.toldSpan
        usage.decode = document["eval_duration"]?.toldSpan
        self.usage = usage
    }

    private mutating func inspectOpenAI(_ line: ByteBufferView) {
        guard line.starts(with: "data:".utf8) else { return }
        let data = line.dropFirst(5).drop { $0 == 0x20 }
        if data.starts(with: "[DONE]".utf8) {
            isComplete = true
            return
        }
        pieceCount += 1
        // A backend that forgets `[DONE]` has still finished when it gave its reason.
        if line.firstByte(ofMember: "finish_reason") == UInt8(ascii: "\"") { isComplete = true }
        let holdsUsage =
            line.firstByte(ofMember: "usage") == UInt8(ascii: "{")
            || line.firstByte(ofMember: "timings") == UInt8(ascii: "{")
        guard holdsUsage || data.starts(with: #"{"error""#.utf8) else { return }
        guard let document = try? JSONParser.parse(Array(data)) else { return }
        if let text = BackendError.text(in: document) {
            failure = text
        } else if let told = BackendUsage.openAI(document) {
            usage = usage?.merging(told) ?? told
        }
    }
}

extension ByteBufferView {
    /// The first byte of the value of the first member with that name, found without parsing; text inside strings can
    /// mislead it, so it only chooses which lines are worth parsing or, for `finish_reason`, follows a quoted name that
    /// JSON would have to escape inside a string.
    fileprivate func firstByte(ofMember name: StaticString) -> UInt8? {
        let count = name.utf8CodeUnitCount
        return withUnsafeBytes { line -> UInt8? in
            guard line.count > count + 3 else { return nil }
            for start in 0..<(line.count - count - 2) where line[start] == UInt8(ascii: "\"") {
                guard line[start + 1] == name.utf8Start[0], line[start + 1 + count] == UInt8(ascii: "\""),
                    (0..<count).allSatisfy({ line[start + 1 + $0] == name.utf8Start[$0] })
                else { continue }
                var index = start + count + 2
                while index < line.count, line[index] == 0x20 || line[index] == UInt8(ascii: ":") { index += 1 }
                if index < line.count { return line[index] }
            }
            return nil
        }
    }
}
