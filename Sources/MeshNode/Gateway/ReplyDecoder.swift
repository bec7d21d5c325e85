import NIOCore

/// Reads a backend's stream, in whichever dialect, into events.
package struct ReplyDecoder {
    private enum Framing {
        case lines(LineSplitter)
        case events(EventSplitter)
    }

    private let api: PromptAPI
    private var framing: Framing
    /// The dialect's own end was seen; a stream that closes without it was cut off.
    package private(set) var isComplete = false
    private var callCount = 0
    private var usage = Usage()

    package init(_ api: PromptAPI) {
        self.api = api
        framing = api.dialect == .ollama ? .lines(LineSplitter()) : .events(EventSplitter())
    }

    package mutating func push(_ chunk: ByteBuffer) throws(StreamRefusal) -> [GenerationEvent] {
        switch framing {
        case .lines(var lines):
            let documents = try lines.push(chunk)
            framing = .lines(lines)
            return try decode(documents)
        case .events(var events):
            let documents = try events.push(chunk)
            framing = .events(events)
            return try decode(documents)
        }
    }

    /// What the last, unfinished line or event holds when the backend closes.
    package mutating func finish() throws(StreamRefusal) -> [GenerationEvent] {
        switch framing {
        case .lines(var lines): try decode(lines.finish().map { [$0] } ?? [])
        case .events(var events): try decode(try events.finish())
        }
    }

    private mutating func decode(_ documents: [[UInt8]]) throws(StreamRefusal) -> [GenerationEvent] {
        var events: [GenerationEvent] = []
        for bytes in documents where !bytes.isEmpty {
            if bytes.elementsEqual("[DONE]".utf8) {
                isComplete = true
                continue
            }
            guard let document = try? JSONParser.parse(bytes), document.members != nil else { throw .malformed }
            if let failure = BackendError.text(in: document) {
                events.append(.failed(failure))
                continue
            }
            switch api.dialect {
            case .ollama: decodeOllama(document, into: &events)
            case .openai: decodeOpenAI(document, into: &events)
            }
        }
        return events
    }

    private mutating func decodeOllama(_ document: JSONValue, into events: inout [GenerationEvent]) {
        let message = document["message"]
        if let text = message?["thinking"]?.text ?? document["thinking"]?.text, !text.isEmpty {
            events.append(.thinking(text))
        }
        if let text = message?["content"]?.text ?? document["response"]?.text, !text.isEmpty {
            events.append(.text(text))
        }
        for call in message?["tool_calls"]?.elements ?? [] {
            let arguments = call["function"]?["arguments"] ?? .object([:])
            events.append(
                .toolCall(
                    ToolCallPiece(
                        index: callCount, id: "call_\(callCount)", name: call["function"]?["name"]?.text,
                        arguments: String(decoding: arguments.encode(), as: UTF8.self))))
            callCount += 1
        }
        guard document["done"]?.isTrue ?? false else { return }
        isComplete = true
        let reason = FinishReason(word: document["done_reason"]?.text)
        events.append(.finished(callCount > 0 && reason == .stop ? .toolCalls : reason))
        var usage = Usage(
            promptTokens: document["prompt_eval_count"]?.tokenCount ?? 0,
            completionTokens: document["eval_count"]?.tokenCount ?? 0)
        usage.load = document["load_duration"]?.toldSpan
        usage.prefill = document["prompt_eval_duration"]?.toldSpan
        usage.decode = document["eval_duration"]?.toldSpan
        events.append(.usage(usage))
    }

    private mutating func decodeOpenAI(_ document: JSONValue, into events: inout [GenerationEvent]) {
        if let choice = document["choices"]?.elements?.first {
            let delta = choice["delta"]
            if let text = delta?["reasoning_content"]?.text ?? delta?["reasoning"]?.text, !text.isEmpty {
                events.append(.thinking(text))
            }
            if let text = delta?["content"]?.text ?? choice["text"]?.text, !text.isEmpty { events.append(.text(text)) }
            for call in delta?["tool_calls"]?.elements ?? [] {
                events.append(
                    .toolCall(
                        ToolCallPiece(
                            index: call["index"]?.integer ?? 0, id: call["id"]?.text,
                            name: call["function"]?["name"]?.text,
                            arguments: call["function"]?["arguments"]?.text ?? "")))
            }
            // A backend that forgets `[DONE]` has still finished when it gave its reason.
            if let reason = choice["finish_reason"]?.text {
                isComplete = true
                events.append(.finished(FinishReason(word: reason)))
            }
        }
        if let told = BackendUsage.openAI(document) {
            usage = usage.merging(told)
            events.append(.usage(usage))
        }
    }
}

/// Where a backend hides its counts.
package enum BackendUsage {
    /// Of a document or a chunk of a stream; nil if it tells none. `timings` is llama-server's own addition, in
    /// milliseconds; it comes with the last chunk of text, whether or not the client asked for `usage`.
    package static func openAI(_ document: JSONValue) -> Usage? {
        let counts = document["usage"].flatMap { $0.members == nil ? nil : $0 }
        let timings = document["timings"].flatMap { $0.members == nil ? nil : $0 }
        guard counts != nil || timings != nil else { return nil }
        let prefillTokens = timings?["prompt_n"]?.tokenCount
        var usage = Usage(
            promptTokens: counts?["prompt_tokens"]?.tokenCount ?? prefillTokens ?? 0,
            completionTokens: counts?["completion_tokens"]?.tokenCount ?? timings?["predicted_n"]?.tokenCount ?? 0)
        usage.prefillTokens = prefillTokens
        usage.prefill = timings?["prompt_ms"]?.double.map(\.asMilliseconds)
        usage.decode = timings?["predicted_ms"]?.double.map(\.asMilliseconds)
        return usage
    }
}

extension Double {
    /// Milliseconds told by a backend, which may tell anything, within what converts safely.
    fileprivate var asMilliseconds: Duration {
        .nanoseconds(Int64(isFinite ? Swift.min(Swift.max(self, 0), 3_600_000) * 1e6 : 0))
    }
}

/// What a backend's error says, in either dialect's shape.
package enum BackendError {
    package static func text(in document: JSONValue) -> String? {
        switch document["error"] {
        case .string(let text)?: text
        case .object?: document["error"]?["message"]?.text ?? "the backend reported an error without words"
        case nil, .null?, .bool?, .number?, .array?: nil
        }
    }
}
