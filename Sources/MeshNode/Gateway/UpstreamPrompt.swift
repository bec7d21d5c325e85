/// A prompt as a backend is to be asked: pass-through where the dialects match, translated where they do not.
package struct UpstreamPrompt: Sendable {
    package let path: String
    package let body: [UInt8]
    /// What the backend's answer will be written in.
    package let replyAPI: PromptAPI
    /// The answer comes as a stream even if the client asked for one document: a hung backend shows at once.
    package let isStreaming: Bool
    /// The reply is already what the client expects.
    package let isVerbatim: Bool

    /// The built-in demonstration is asked like an Ollama whose answer always needs finishing.
    package init(demo prompt: PromptRequest) {
        path = ""
        body = []
        replyAPI = prompt.api.isChat ? .ollamaChat : .ollamaGenerate
        isStreaming = true
        isVerbatim = false
    }

    /// - Parameters:
    ///   - original: the request's bytes, sent unchanged whenever nothing in them has to change.
    ///   - model: the name under which this backend knows the model.
    package init(_ prompt: PromptRequest, original: [UInt8], backend: Dialect, model: String) {
        if prompt.api.dialect == backend {
            path = prompt.api.path
            body =
                model == prompt.model
                ? original : prompt.document.replacing("model", with: .string(model)).encode()
            replyAPI = prompt.api
            isStreaming = prompt.isStreaming
            isVerbatim = true
            return
        }
        isStreaming = true
        isVerbatim = false
        switch prompt.api {
        case .ollamaChat, .ollamaGenerate:
            let isRaw = prompt.document["raw"]?.isTrue ?? false
            replyAPI = isRaw ? .openAICompletion : .openAIChat
            body = OpenAIPrompt.make(from: prompt, model: model, isRaw: isRaw).encode()
        case .openAIChat:
            replyAPI = .ollamaChat
            body = OllamaPrompt.makeChat(from: prompt, model: model).encode()
        case .openAICompletion:
            replyAPI = .ollamaGenerate
            body = OllamaPrompt.makeCompletion(from: prompt, model: model).encode()
        }
        path = replyAPI.path
    }
}

/// Ollama's request in OpenAI's words.
enum OpenAIPrompt {
    static func make(from prompt: PromptRequest, model: String, isRaw: Bool) -> JSONValue {
        let source = prompt.document
        var members: [JSONMember] = [JSONMember(name: "model", value: .string(model))]
        func add(_ name: String, _ value: JSONValue?) {
            if let value { members.append(JSONMember(name: name, value: value)) }
        }
        if isRaw {
            add("prompt", source["prompt"] ?? "")
        } else {
            add("messages", .array(prompt.api == .ollamaChat ? chatMessages(source) : generateMessages(source)))
        }
        add("stream", .bool(true))
        add("stream_options", .object(["include_usage": .bool(true)]))
        let options = source["options"]
        // Negative means "no limit" to Ollama; leaving the limit out says the same.
        if let limit = options?["num_predict"]?.integer, limit >= 0 { add("max_tokens", .integer(limit)) }
        for name in ["temperature", "top_p", "seed", "stop", "frequency_penalty", "presence_penalty"] {
            add(name, options?[name])
        }
        add("tools", source["tools"])
        add("response_format", responseFormat(source["format"]))
        return .object(members)
    }

    private static func responseFormat(_ format: JSONValue?) -> JSONValue? {
        switch format {
        case .string("json")?: .object(["type": "json_object"])
        case .object?: .object(["type": "json_schema", "json_schema": .object(["name": "answer", "schema": format])])
        case nil, .null?, .bool?, .number?, .string?, .array?: nil
        }
    }

    private static func generateMessages(_ source: JSONValue) -> [JSONValue] {
        var messages: [JSONValue] = []
        if let system = source["system"]?.text, !system.isEmpty {
            messages.append(.object(["role": "system", "content": .string(system)]))
        }
        let text = source["prompt"]?.text ?? ""
        messages.append(.object(["role": "user", "content": content(text, images: source["images"]?.elements ?? [])]))
        return messages
    }

    private static func chatMessages(_ source: JSONValue) -> [JSONValue] {
        // Ollama leaves calls unnamed; OpenAI ties each result to a call by id. Counting restores the tie in order.
        var callCount = 0
        var resultCount = 0
        return (source["messages"]?.elements ?? []).map { message in
            let role = message["role"]?.text ?? "user"
            let text = message["content"]?.text ?? ""
            if role == "tool" {
                defer { resultCount += 1 }
                return .object([
                    "role": "tool", "tool_call_id": .string("call_\(resultCount)"), "content": .string(text),
                ])
            }
            let calls = message["tool_calls"]?.elements?.map { call -> JSONValue in
                defer { callCount += 1 }
                let arguments = call["function"]?["arguments"] ?? .object([:])
                return .object([
                    "id": .string("call_\(callCount)"), "type": "function",
                    "function": .object([
                        "name": call["function"]?["name"],
                        "arguments": .string(String(decoding: arguments.encode(), as: UTF8.self)),
                    ]),
                ])
            }
            return .object([
                "role": .string(role), "content": content(text, images: message["images"]?.elements ?? []),
                "tool_calls": calls.map { .array($0) },
            ])
        }
    }

    private static func content(_ text: String, images: [JSONValue]) -> JSONValue {
        if images.isEmpty { return .string(text) }
        let parts = images.compactMap(\.text).map { base64 -> JSONValue in
            .object(["type": "image_url", "image_url": .object(["url": .string("data:image/png;base64,\(base64)")])])
        }
        return .array([.object(["type": "text", "text": .string(text)])] + parts)
    }
}

/// OpenAI's request in Ollama's words.
enum OllamaPrompt {
    static func makeChat(from prompt: PromptRequest, model: String) -> JSONValue {
        let source = prompt.document
        return .object([
            "model": .string(model),
            "messages": .array((source["messages"]?.elements ?? []).map(message)),
            "stream": .bool(true),
            "options": options(source),
            "tools": source["tools"],
            "format": format(source["response_format"]),
        ])
    }

    static func makeCompletion(from prompt: PromptRequest, model: String) -> JSONValue {
        let source = prompt.document
        let text = source["prompt"]?.text ?? source["prompt"]?.elements?.compactMap(\.text).joined(separator: "\n")
        return .object([
            "model": .string(model), "prompt": .string(text ?? ""), "raw": .bool(true), "stream": .bool(true),
            "options": options(source),
        ])
    }

    private static func options(_ source: JSONValue) -> JSONValue? {
        var members: [JSONMember] = []
        for name in ["temperature", "top_p", "seed", "frequency_penalty", "presence_penalty"] {
            if let value = source[name], value != .null { members.append(JSONMember(name: name, value: value)) }
        }
        if let limit = source["max_completion_tokens"]?.integer ?? source["max_tokens"]?.integer {
            members.append(JSONMember(name: "num_predict", value: .integer(limit)))
        }
        switch source["stop"] {
        case .string(let word)?: members.append(JSONMember(name: "stop", value: .array([.string(word)])))
        case .array(let words)?: members.append(JSONMember(name: "stop", value: .array(words)))
        case nil, .null?, .bool?, .number?, .object?: break
        }
        return members.isEmpty ? nil : .object(members)
    }

    private static func format(_ response: JSONValue?) -> JSONValue? {
        switch response?["type"]?.text {
        case "json_object"?: "json"
        case "json_schema"?: response?["json_schema"]?["schema"]
        case nil, .some: nil
        }
    }

    private static func message(_ message: JSONValue) -> JSONValue {
        let parts = message["content"]?.elements
        let text = message["content"]?.text ?? parts?.compactMap { $0["text"]?.text }.joined(separator: "\n") ?? ""
        let images = parts?.compactMap { $0["image_url"]?["url"]?.text }.compactMap(base64)
        let role = message["role"]?.text ?? "user"
        let calls = message["tool_calls"]?.elements?.map { call -> JSONValue in
            let arguments = call["function"]?["arguments"]?.text ?? "{}"
            return .object([
                "function": .object([
                    "name": call["function"]?["name"],
                    "arguments": (try? JSONParser.parse(Array(arguments.utf8))) ?? .object([:]),
                ])
            ])
        }
        return .object([
            "role": .string(role == "developer" ? "system" : role),
            "content": .string(text),
            "images": images.flatMap { $0.isEmpty ? nil : .array($0.map { .string($0) }) },
            "tool_calls": calls.map { .array($0) },
            "tool_name": role == "tool" ? message["name"] : nil,
        ])
    }

    /// The payload of a data URL. Other URLs are dropped: a backend must not be made to fetch for a client.
    private static func base64(_ url: String) -> String? {
        guard url.hasPrefix("data:"), let comma = url.firstIndex(of: ",") else { return nil }
        return String(url[url.index(after: comma)...])
    }
}
