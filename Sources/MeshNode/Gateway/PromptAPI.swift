/// A family of clients, with its own words for the same things.
package enum Dialect: String, Sendable, CaseIterable {
    /// Newline-delimited JSON; errors are `{"error": "text"}`.
    case ollama
    /// Server-sent events; errors are `{"error": {"message", "type", "param", "code"}}`.
    case openai
}

/// The four ways to ask for text.
package enum PromptAPI: String, Sendable, CaseIterable {
    case ollamaChat = "/api/chat"
    case ollamaGenerate = "/api/generate"
    case openAIChat = "/v1/chat/completions"
    case openAICompletion = "/v1/completions"

    package var path: String { rawValue }

    package var dialect: Dialect {
        switch self {
        case .ollamaChat, .ollamaGenerate: .ollama
        case .openAIChat, .openAICompletion: .openai
        }
    }

    /// Takes messages rather than one text.
    package var isChat: Bool { self == .ollamaChat || self == .openAIChat }
}

/// One prompt as a client asked for it, parsed once: what routing needs to know, and the document itself.
package struct PromptRequest: Sendable {
    package let api: PromptAPI
    package let model: String
    package let isStreaming: Bool
    /// OpenAI's `stream_options.include_usage`.
    package let includesUsage: Bool
    /// Estimated: four bytes of text a token. Real counts differ by model, and only ratios matter for routing.
    package let promptTokens: Int
    package let maxTokens: Int?
    package let document: JSONValue

    /// Reads the body of a request. A missing `stream` means true for Ollama's clients, false for OpenAI's.
    package init(_ body: [UInt8], api: PromptAPI) throws(PromptRefusal) {
        let document: JSONValue
        do throws(JSONRefusal) {
            document = try JSONParser.parse(body)
        } catch {
            throw .notJSON(error)
        }
        guard document.members != nil else { throw .notAnObject }
        guard let model = document["model"]?.text, !model.isEmpty, model.utf8.count <= 256 else { throw .noModel }
        if let stream = document["stream"], stream.flag == nil, stream != .null { throw .wrongType("stream") }
        if api.isChat, let messages = document["messages"], messages.elements == nil { throw .wrongType("messages") }
        if api == .openAIChat, document["messages"] == nil { throw .missing("messages") }
        if api == .ollamaGenerate, let prompt = document["prompt"], prompt.text == nil { throw .wrongType("prompt") }
        self.api = api
        self.model = model
        self.document = document
        isStreaming = document["stream"]?.flag ?? (api.dialect == .ollama)
        includesUsage = document["stream_options"]?["include_usage"]?.isTrue ?? false
        promptTokens = max(Self.textBytes(of: document, api: api) / 4, 1)
        maxTokens =
            switch api.dialect {
            // Below zero: until the model ends, or the context is full.
            case .ollama: document["options"]?["num_predict"].flatMap { $0.integer ?? 0 < 0 ? nil : $0.tokenCount }
            case .openai: document["max_completion_tokens"]?.tokenCount ?? document["max_tokens"]?.tokenCount
            }
    }

    /// Ollama's way to load a model without asking it anything.
    package var isPreload: Bool {
        switch api {
        case .ollamaChat: document["messages"]?.elements?.isEmpty ?? true
        case .ollamaGenerate: document["prompt"]?.text?.isEmpty ?? true
        case .openAIChat, .openAICompletion: false
        }
    }

    private static func textBytes(of document: JSONValue, api: PromptAPI) -> Int {
        guard api.isChat else {
            return (document["prompt"]?.text?.utf8.count ?? 0) + (document["system"]?.text?.utf8.count ?? 0)
        }
        return (document["messages"]?.elements ?? []).reduce(0) { sum, message in
            let parts = message["content"]?.elements ?? []
            return sum + (message["content"]?.text?.utf8.count ?? 0)
                + parts.reduce(0) { $0 + ($1["text"]?.text?.utf8.count ?? 0) }
        }
    }
}

/// Why a request cannot be a prompt; answered 400 in the client's dialect. Nothing was routed.
package enum PromptRefusal: Error, Hashable, Sendable {
    case notJSON(JSONRefusal)
    case notAnObject
    /// `model` is absent, empty, no text, or longer than 256 bytes.
    case noModel
    case missing(String)
    case wrongType(String)

    package var explanation: String {
        switch self {
        case .notJSON(let refusal): "the body is \(refusal.explanation)"
        case .notAnObject: "the body must be a JSON object"
        case .noModel: "model is required: a name from the list of models, at most 256 bytes"
        case .missing(let member): "\(member) is required"
        case .wrongType(let member): "\(member) has the wrong type"
        }
    }

    /// The member at fault, for OpenAI's `param`.
    package var parameter: String? {
        switch self {
        case .notJSON, .notAnObject: nil
        case .noModel: "model"
        case .missing(let member), .wrongType(let member): member
        }
    }
}
