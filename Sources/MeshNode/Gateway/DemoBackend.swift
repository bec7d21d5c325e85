import NIOCore
import NIOHTTP1

/// Answers in place of a model where none can be had, and says so, in its name and in its text. It speaks Ollama's
/// dialect through the same interface as a real backend, so that everything around it is exercised as usual.
enum DemoBackend {
    static let model = "meshnode-demo"
    /// Between words; about the pace of a small model.
    static let wordInterval: TimeAmount = .milliseconds(20)

    /// Known without measuring: reading takes it no time.
    static func speed(slowdown: Double) -> SpeedBoard.Speed {
        SpeedBoard.Speed(prefill: 1e6 / slowdown, decode: 1e9 / Double(wordInterval.nanoseconds) / slowdown)
    }

    static func words(prompt: PromptRequest) -> [String] {
        let asked = lastWords(of: prompt)
        let text =
            "This is a demonstration: no model is installed behind this node, and a built-in text answers instead. "
            + (asked.isEmpty ? "" : "Your prompt ended with: \(asked) ")
            + "Everything else was real: sign-in, the choice of this node, the way here and back, and the stream that "
            + "you are reading. Configure an Ollama or OpenAI-compatible backend to talk to a model."
        return text.split(separator: " ").map { "\($0) " }
    }

    private static func lastWords(of prompt: PromptRequest) -> String {
        let content = prompt.document["messages"]?.elements?.last?["content"]
        let text = content?.text ?? prompt.document["prompt"]?.text ?? ""
        return text.split(whereSeparator: \.isWhitespace).suffix(12).joined(separator: " ")
    }
}

/// One answer of the demonstration, word by word on the client's event loop.
final class DemoGeneration: UpstreamHandle {
    private let loop: any EventLoop
    private let words: [String]
    private let isChat: Bool
    private let promptTokens: Int
    private weak var receiver: (any UpstreamReceiver)?
    private var next = 0
    private var task: Scheduled<Void>?
    private var isPaused = false

    init(_ prompt: PromptRequest, loop: any EventLoop, receiver: any UpstreamReceiver) {
        self.loop = loop
        self.receiver = receiver
        let words = DemoBackend.words(prompt: prompt)
        self.words = prompt.maxTokens.map { Array(words.prefix(max($0, 1))) } ?? words
        isChat = prompt.api.isChat
        promptTokens = prompt.promptTokens
        schedule()
    }

    func cancel() {
        receiver = nil
        task?.cancel()
        task = nil
    }

    func setPaused(_ paused: Bool) {
        isPaused = paused
        if paused {
            task?.cancel()
            task = nil
        } else if task == nil {
            schedule()
        }
    }

    private func schedule() {
        task = loop.assumeIsolated().scheduleTask(in: DemoBackend.wordInterval) { self.step() }
    }

    private func step() {
        task = nil
        guard let receiver else { return }
        if next == 0 { receiver.upstream(head: HTTPResponseHead(version: .http1_1, status: .ok)) }
        guard next < words.count else {
            receiver.upstream(body: line(text: "", isLast: true))
            return receiver.upstreamEnd()
        }
        next += 1
        receiver.upstream(body: line(text: words[next - 1], isLast: false))
        if !isPaused { schedule() }
    }

    private func line(text: String, isLast: Bool) -> ByteBuffer {
        let document = JSONValue.object([
            "message": isChat ? .object(["role": "assistant", "content": .string(text)]) : nil,
            "response": isChat ? nil : .string(text),
            "done": .bool(isLast),
            "done_reason": isLast ? "stop" : nil,
            "prompt_eval_count": isLast ? .integer(promptTokens) : nil,
            "eval_count": isLast ? .integer(words.count) : nil,
        ])
        var buffer = ByteBuffer(bytes: document.encode())
        buffer.writeInteger(UInt8(0x0A))
        return buffer
    }
}
