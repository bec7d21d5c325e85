import NIOCore
import Primitives

/// Writes events in the dialect that the client speaks, piece by piece or as one document.
package struct ReplyEncoder {
    /// What every piece of one reply repeats.
    package struct Heading: Hashable, Sendable {
        package let api: PromptAPI
        /// As the client wrote it, whatever the backend calls it.
        package let model: String
        /// Random; makes OpenAI's reply id.
        package let id: UInt64
        package let unixMilliseconds: Int64
        package let includesUsage: Bool

        package init(api: PromptAPI, model: String, id: UInt64, unixMilliseconds: Int64, includesUsage: Bool) {
            self.api = api
            self.model = model
            self.id = id
            self.unixMilliseconds = unixMilliseconds
            self.includesUsage = includesUsage
        }
    }

    let heading: Heading
    private let isStreaming: Bool
    private var text = ""
    private var thinking = ""
    private var calls: [ToolCallPiece] = []
    private var usage = Usage()
    private var reason = FinishReason.stop
    private var isFirst = true

    package init(_ heading: Heading, isStreaming: Bool) {
        self.heading = heading
        self.isStreaming = isStreaming
    }

    /// Appends what `event` means to the client; nothing yet for a reply in one document.
    package mutating func encode(_ event: GenerationEvent, into buffer: inout ByteBuffer) {
        switch event {
        case .text(let piece):
            if isStreaming { writePiece(text: piece, thinking: nil, into: &buffer) } else { text += piece }
        case .thinking(let piece):
            if isStreaming { writePiece(text: nil, thinking: piece, into: &buffer) } else { thinking += piece }
        case .toolCall(let piece): take(piece, into: &buffer)
        case .finished(let reason): self.reason = reason
        case .usage(let usage): self.usage = usage
        case .failed: preconditionFailure("a failure ends a reply through GatewayError, not through its encoder")
        }
    }

    /// The end: finish chunk, usage and terminator of a stream, or the whole document.
    package mutating func finish(elapsed: Duration, into buffer: inout ByteBuffer) {
        switch (heading.api.dialect, isStreaming) {
        case (.ollama, _): writeLine(finalOllama(elapsed: elapsed), into: &buffer)
        case (.openai, true): finishEvents(into: &buffer)
        case (.openai, false): buffer.writeBytes(wholeOpenAI().encode())
        }
    }

    /// Ollama's answer to a request that only loads a model.
    package static func loaded(_ heading: Heading) -> ByteBuffer {
        var buffer = ByteBuffer()
        let encoder = ReplyEncoder(heading, isStreaming: true)
        let text =
            heading.api == .ollamaChat
            ? JSONMember(name: "message", value: .object(["role": "assistant", "content": ""]))
            : JSONMember(name: "response", value: "")
        let ending = [JSONMember(name: "done", value: .bool(true)), JSONMember(name: "done_reason", value: "load")]
        encoder.writeLine(encoder.ollamaHead([text] + ending), into: &buffer)
        return buffer
    }

    private mutating func take(_ piece: ToolCallPiece, into buffer: inout ByteBuffer) {
        if isStreaming, heading.api == .openAIChat {
            let function = JSONValue.object([
                "name": piece.name.map { .string($0) }, "arguments": .string(piece.arguments),
            ])
            let call = JSONValue.object([
                "index": .integer(piece.index), "id": piece.id.map { .string($0) },
                "type": piece.id == nil ? nil : "function", "function": function,
            ])
            writeChat(delta: [JSONMember(name: "tool_calls", value: .array([call]))], reason: nil, into: &buffer)
            return
        }
        if let index = calls.firstIndex(where: { $0.index == piece.index }) {
            calls[index].arguments += piece.arguments
        } else {
            calls.append(piece)
        }
    }

    private mutating func writePiece(text: String?, thinking: String?, into buffer: inout ByteBuffer) {
        switch heading.api {
        case .ollamaChat:
            writeLine(
                ollamaHead([
                    JSONMember(
                        name: "message",
                        value: .object([
                            "role": "assistant", "content": .string(text ?? ""),
                            "thinking": thinking.map { .string($0) },
                        ])),
                    JSONMember(name: "done", value: .bool(false)),
                ]), into: &buffer)
        case .ollamaGenerate:
            var members = [JSONMember(name: "response", value: .string(text ?? ""))]
            if let thinking { members.append(JSONMember(name: "thinking", value: .string(thinking))) }
            writeLine(ollamaHead(members + [JSONMember(name: "done", value: .bool(false))]), into: &buffer)
        case .openAIChat:
            let delta =
                text.map { JSONMember(name: "content", value: .string($0)) }
                ?? JSONMember(name: "reasoning_content", value: .string(thinking ?? ""))
            writeChat(delta: [delta], reason: nil, into: &buffer)
        case .openAICompletion:
            guard let text else { return }
            writeEvent(openAIHead(.array([completionChoice(text, reason: nil)])), into: &buffer)
        }
    }

    // MARK: Ollama

    private func ollamaHead(_ members: [JSONMember]) -> JSONValue {
        .object(
            [
                JSONMember(name: "model", value: .string(heading.model)),
                JSONMember(name: "created_at", value: .string(Timestamp.rfc3339(heading.unixMilliseconds))),
            ] + members)
    }

    private func finalOllama(elapsed: Duration) -> JSONValue {
        var members: [JSONMember] = []
        if heading.api == .ollamaChat {
            let toolCalls = calls.map { call -> JSONValue in
                .object([
                    "function": .object([
                        "name": call.name.map { .string($0) },
                        "arguments": (try? JSONParser.parse(Array(call.arguments.utf8))) ?? .object([:]),
                    ])
                ])
            }
            let message = JSONValue.object([
                "role": "assistant", "content": .string(text), "thinking": thinking.isEmpty ? nil : .string(thinking),
                "tool_calls": toolCalls.isEmpty ? nil : .array(toolCalls),
            ])
            members.append(JSONMember(name: "message", value: message))
        } else {
            members.append(JSONMember(name: "response", value: .string(text)))
        }
        let decode = usage.decode ?? max(elapsed - (usage.prefill ?? .zero), .zero)
        return ollamaHead(
            members + [
                JSONMember(name: "done", value: .bool(true)),
                // Ollama has no word of its own for a reply that ends in tool calls.
                JSONMember(name: "done_reason", value: reason == .length ? "length" : "stop"),
                JSONMember(name: "total_duration", value: .integer(elapsed.inNanoseconds)),
                JSONMember(name: "load_duration", value: .integer((usage.load ?? .zero).inNanoseconds)),
                JSONMember(name: "prompt_eval_count", value: .integer(usage.promptTokens)),
                JSONMember(name: "prompt_eval_duration", value: .integer((usage.prefill ?? .zero).inNanoseconds)),
                JSONMember(name: "eval_count", value: .integer(usage.completionTokens)),
                JSONMember(name: "eval_duration", value: .integer(decode.inNanoseconds)),
            ])
    }

    private func writeLine(_ document: JSONValue, into buffer: inout ByteBuffer) {
        buffer.writeBytes(document.encode())
        buffer.writeInteger(UInt8(0x0A))
    }

    // MARK: OpenAI

    private var replyID: String {
        (heading.api == .openAIChat ? "chatcmpl-" : "cmpl-") + String(heading.id, radix: 16)
    }

    private func openAIHead(_ choices: JSONValue, usage: JSONValue? = nil) -> JSONValue {
        let object =
            heading.api == .openAICompletion
            ? "text_completion" : isStreaming ? "chat.completion.chunk" : "chat.completion"
        return .object([
            "id": .string(replyID), "object": .string(object), "created": .integer(heading.unixMilliseconds / 1000),
            "model": .string(heading.model), "choices": choices, "usage": usage,
        ])
    }

    private var usageDocument: JSONValue {
        .object([
            "prompt_tokens": .integer(usage.promptTokens), "completion_tokens": .integer(usage.completionTokens),
            "total_tokens": .integer(usage.promptTokens + usage.completionTokens),
        ])
    }

    private func completionChoice(_ text: String, reason: FinishReason?) -> JSONValue {
        .object([
            "index": .integer(0), "text": .string(text), "logprobs": .null,
            "finish_reason": reason.map { .string($0.rawValue) } ?? .null,
        ])
    }

    /// The role stands in the first chunk and in no other.
    private mutating func writeChat(delta: [JSONMember], reason: FinishReason?, into buffer: inout ByteBuffer) {
        var members = delta
        if isFirst { members.insert(JSONMember(name: "role", value: "assistant"), at: 0) }
        isFirst = false
        let choice = JSONValue.object([
            "index": .integer(0), "delta": .object(members),
            "finish_reason": reason.map { .string($0.rawValue) } ?? .null,
        ])
        writeEvent(openAIHead(.array([choice])), into: &buffer)
    }

    private mutating func finishEvents(into buffer: inout ByteBuffer) {
        if heading.api == .openAIChat {
            writeChat(delta: [], reason: reason, into: &buffer)
        } else {
            writeEvent(openAIHead(.array([completionChoice("", reason: reason)])), into: &buffer)
        }
        if heading.includesUsage { writeEvent(openAIHead(.array([]), usage: usageDocument), into: &buffer) }
        buffer.writeStaticString("data: [DONE]\n\n")
    }

    private func wholeOpenAI() -> JSONValue {
        guard heading.api == .openAIChat else {
            return openAIHead(.array([completionChoice(text, reason: reason)]), usage: usageDocument)
        }
        let toolCalls = calls.map { call -> JSONValue in
            .object([
                "id": call.id.map { .string($0) }, "type": "function",
                "function": .object(["name": call.name.map { .string($0) }, "arguments": .string(call.arguments)]),
            ])
        }
        let message = JSONValue.object([
            "role": "assistant", "content": text.isEmpty && !toolCalls.isEmpty ? .null : .string(text),
            "reasoning_content": thinking.isEmpty ? nil : .string(thinking),
            "tool_calls": toolCalls.isEmpty ? nil : .array(toolCalls),
        ])
        let choice = JSONValue.object([
            "index": .integer(0), "message": message, "logprobs": .null, "finish_reason": .string(reason.rawValue),
        ])
        return openAIHead(.array([choice]), usage: usageDocument)
    }

    private func writeEvent(_ document: JSONValue, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("data: ")
        buffer.writeBytes(document.encode())
        buffer.writeStaticString("\n\n")
    }
}
