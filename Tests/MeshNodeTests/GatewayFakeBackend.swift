import MeshNode
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// A model server of a few lines, in either dialect, that can also misbehave on purpose. Counts what it was asked and
/// how many of its answers were cut off by the other side.
final class FakeBackend: Sendable {
    enum Behaviour: Sendable {
        /// These pieces of text, one chunk each, with this pause before each.
        case answer([String], pause: TimeAmount)
        case status(Int, body: String)
        /// As `answer` with that many words, and these figures about itself.
        case timed(promptTokens: Int, promptMS: Int, tokens: Int, ms: Int)
        /// Accepts, and then says nothing.
        case hang
        /// As `hang`, and to questions about models and health as well.
        case frozen
        /// Closes on the request without an answer.
        case closeAtOnce
        /// Closes after that many pieces.
        case breakOff(after: Int)
        /// Ends the HTTP reply in good form after that many pieces, but without the dialect's own end.
        case endEarly(after: Int)
        /// An error line or event after that many pieces.
        case failInStream(after: Int)
    }

    struct Asked: Sendable {
        let path: String
        let fields: [String: String]
        let body: String
    }

    private struct State {
        var behaviour: Behaviour
        var asked: [Asked] = []
        var cutOff = 0
        var answering = 0
        var hasModelInMemory = true
    }

    static let model = "smollm2:135m"
    let dialect: Dialect
    private let state: Mutex<State>
    private let channel: Mutex<(any Channel)?>

    private init(_ dialect: Dialect, _ behaviour: Behaviour) {
        self.dialect = dialect
        state = Mutex(State(behaviour: behaviour))
        channel = Mutex(nil)
    }

    static func start(
        _ dialect: Dialect, _ behaviour: Behaviour = .answer(["Hel", "lo", " world"], pause: .milliseconds(1)),
        tls: NIOSSLContext? = nil
    ) async throws -> FakeBackend {
        let backend = FakeBackend(dialect, behaviour)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
                    try channel.pipeline.syncOperations.addHandler(FakeBackendHandler(backend))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        backend.channel.withLock { $0 = channel }
        return backend
    }

    /// A port on which nothing listens.
    static func refusingPort() async throws -> Int {
        let backend = try await start(.openai)
        let port = backend.port
        try await backend.stop()
        return port
    }

    var port: Int { channel.withLock { $0?.localAddress?.port ?? 0 } }
    var url: String { "http://127.0.0.1:\(port)" }
    var asked: [Asked] { state.withLock { $0.asked } }
    /// Prompts only; looks at models and health are not counted.
    var prompts: [Asked] { asked.filter { $0.body.contains("\"model\"") } }
    var cutOff: Int { state.withLock { $0.cutOff } }
    var answering: Int { state.withLock { $0.answering } }
    /// Told by Ollama's list of what runs.
    var hasModelInMemory: Bool {
        get { state.withLock { $0.hasModelInMemory } }
        set { state.withLock { $0.hasModelInMemory = newValue } }
    }
    var behaviour: Behaviour {
        get { state.withLock { $0.behaviour } }
        set { state.withLock { $0.behaviour = newValue } }
    }

    func stop() async throws { try await channel.withLock { $0 }?.close() }

    fileprivate func note(_ asked: Asked) { state.withLock { $0.asked.append(asked) } }
    fileprivate func noteBegun() { state.withLock { $0.answering += 1 } }
    fileprivate func noteEnded(cutOff: Bool) {
        state.withLock { state in
            state.answering -= 1
            if cutOff { state.cutOff += 1 }
        }
    }
}

private final class FakeBackendHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let backend: FakeBackend
    private var head: HTTPRequestHead?
    private var body = ""
    private var isAnswering = false

    init(_ backend: FakeBackend) { self.backend = backend }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = ""
        case .body(let bytes): body += String(buffer: bytes)
        case .end:
            guard let head else { return }
            let fields = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { $1 }
            backend.note(FakeBackend.Asked(path: head.uri, fields: fields, body: body))
            if head.method == .GET { answerList(head.uri, context) } else { answerPrompt(head.uri, context) }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if isAnswering {
            isAnswering = false
            backend.noteEnded(cutOff: true)
        }
        context.fireChannelInactive()
    }

    private func answerList(_ path: String, _ context: ChannelHandlerContext) {
        if case .frozen = backend.behaviour { return }
        let name = FakeBackend.model
        let body =
            switch path {
            case "/api/tags":
                #"{"models":[{"name":"\#(name)","size":100000000,"details":{"family":"llama","parameter_size":"134.5M"}}]}"#
            case "/api/ps": backend.hasModelInMemory ? #"{"models":[{"name":"\#(name)"}]}"# : #"{"models":[]}"#
            case "/v1/models": #"{"object":"list","data":[{"id":"\#(name)","object":"model"}]}"#
            default: "{}"
            }
        whole(200, body, context)
    }

    private func answerPrompt(_ path: String, _ context: ChannelHandlerContext) {
        isAnswering = true
        backend.noteBegun()
        let isStreaming =
            backend.dialect == .ollama ? !body.contains(#""stream":false"#) : body.contains(#""stream":true"#)
        switch backend.behaviour {
        case .answer(let pieces, let pause) where !isStreaming:
            schedule(after: pause, context) { self.whole(200, FakeReply.whole(path, pieces), context) }
        case .answer(let pieces, let pause): stream(path, pieces, pause, end: .complete, context)
        case .status(let code, let body): whole(code, body, context)
        case .timed(let promptTokens, let promptMS, let tokens, let ms):
            let figures = FakeReply.Figures(promptTokens: promptTokens, promptMS: promptMS, tokens: tokens, ms: ms)
            stream(
                path, Array(repeating: "x", count: tokens), .milliseconds(1), end: .complete, figures: figures, context)
        case .hang, .frozen: break
        case .closeAtOnce: close(context)
        case .breakOff(let count):
            stream(path, Array(repeating: "piece ", count: count), .milliseconds(1), end: .close, context)
        case .endEarly(let count):
            stream(path, Array(repeating: "piece ", count: count), .milliseconds(1), end: .quiet, context)
        case .failInStream(let count):
            stream(path, Array(repeating: "piece ", count: count), .milliseconds(1), end: .error, context)
        }
    }

    private enum End { case complete, close, error, quiet }

    private func stream(
        _ path: String, _ pieces: [String], _ pause: TimeAmount, end: End, figures: FakeReply.Figures? = nil,
        _ context: ChannelHandlerContext
    ) {
        var head = HTTPResponseHead(version: .http1_1, status: .ok)
        head.headers.add(name: "Content-Type", value: "text/html")
        head.headers.add(name: "Set-Cookie", value: "backend=1")
        context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
        step(path, pieces[...], pause, end, figures, context)
    }

    private func step(
        _ path: String, _ rest: ArraySlice<String>, _ pause: TimeAmount, _ end: End, _ figures: FakeReply.Figures?,
        _ context: ChannelHandlerContext
    ) {
        schedule(after: pause, context) {
            guard self.isAnswering else { return }
            guard let piece = rest.first else { return self.endStream(path, end, figures, context) }
            self.chunk(FakeReply.piece(path, piece), context)
            self.step(path, rest.dropFirst(), pause, end, figures, context)
        }
    }

    private func endStream(
        _ path: String, _ end: End, _ figures: FakeReply.Figures?, _ context: ChannelHandlerContext
    ) {
        switch end {
        case .close: return close(context)
        case .quiet: break
        case .error: chunk(FakeReply.error(path), context)
        case .complete:
            for text in figures.map({ FakeReply.end(path, $0) }) ?? FakeReply.end(path) { chunk(text, context) }
        }
        // Ended is what has left this machine: a reader that does not read keeps it answering.
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenSuccess { bound.value.finish() }
    }

    private func chunk(_ text: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
    }

    private func whole(_ status: Int, _ body: String, _ context: ChannelHandlerContext) {
        var head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status))
        head.headers.add(name: "Content-Length", value: String(body.utf8.count))
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        finish()
    }

    private func finish() {
        guard isAnswering else { return }
        isAnswering = false
        backend.noteEnded(cutOff: false)
    }

    private func close(_ context: ChannelHandlerContext) {
        finish()
        context.close(promise: nil)
    }

    private func schedule(after pause: TimeAmount, _ context: ChannelHandlerContext, _ body: @escaping () -> Void) {
        context.eventLoop.assumeIsolated().scheduleTask(in: pause, body)
    }
}

/// The words of both dialects, written by hand as the real servers write them.
enum FakeReply {
    static func piece(_ path: String, _ text: String) -> String {
        switch path {
        case "/api/chat":
            #"{"model":"m","created_at":"t","message":{"role":"assistant","content":"\#(text)"},"done":false}"# + "\n"
        case "/api/generate": #"{"model":"m","created_at":"t","response":"\#(text)","done":false}"# + "\n"
        case "/v1/completions":
            #"data: {"id":"c1","choices":[{"index":0,"text":"\#(text)","finish_reason":null}]}"# + "\n\n"
        default:
            #"data: {"id":"c1","choices":[{"index":0,"delta":{"content":"\#(text)"},"finish_reason":null}]}"# + "\n\n"
        }
    }

    static func end(_ path: String) -> [String] {
        let counts =
            #""done":true,"done_reason":"stop","total_duration":9,"load_duration":1,"prompt_eval_count":7,"prompt_eval_duration":2,"eval_count":3,"eval_duration":5}"#
        switch path {
        case "/api/chat": return [#"{"model":"m","message":{"role":"assistant","content":""},"# + counts + "\n"]
        case "/api/generate": return [#"{"model":"m","response":"","# + counts + "\n"]
        default:
            return [
                #"data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"# + "\n\n",
                #"data: {"id":"c1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#
                    + "\n\n", "data: [DONE]\n\n",
            ]
        }
    }

    /// What a server says of its own work.
    struct Figures {
        let promptTokens: Int
        let promptMS: Int
        let tokens: Int
        let ms: Int
    }

    static func end(_ path: String, _ figures: Figures) -> [String] {
        guard path.hasPrefix("/v1") else {
            let nanoseconds = (figures.promptMS * 1_000_000, figures.ms * 1_000_000)
            return [
                #"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","#
                    + #""prompt_eval_count":\#(figures.promptTokens),"prompt_eval_duration":\#(nanoseconds.0),"#
                    + #""eval_count":\#(figures.tokens),"eval_duration":\#(nanoseconds.1)}"# + "\n"
            ]
        }
        return [
            #"data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"timings":{"prompt_n":"#
                + #"\#(figures.promptTokens),"prompt_ms":\#(figures.promptMS).0,"predicted_n":\#(figures.tokens),"#
                + #""predicted_ms":\#(figures.ms).0}}"# + "\n\n", "data: [DONE]\n\n",
        ]
    }

    static func error(_ path: String) -> String {
        path.hasPrefix("/api")
            ? #"{"error":"out of memory"}"# + "\n" : #"data: {"error":{"message":"out of memory"}}"# + "\n\n"
    }

    static func whole(_ path: String, _ pieces: [String]) -> String {
        let text = pieces.joined()
        return switch path {
        case "/api/chat":
            #"{"model":"m","message":{"role":"assistant","content":"\#(text)"},"done":true,"eval_count":3}"#
        case "/api/generate": #"{"model":"m","response":"\#(text)","done":true,"eval_count":3}"#
        default:
            #"{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":"\#(text)"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#
        }
    }
}
