import NIOCore
import NIOHTTP1
import Primitives
import Synchronization

/// One tiny prompt to a backend, timed. Made anywhere; everything else happens on the pool's loop, but for `cancel`.
final class SpeedCheckQuery: Sendable {
    let pool: NIOLoopBound<UpstreamPool>
    let api: PromptAPI
    let now: @Sendable () -> Instant
    private let state = Mutex(State())

    private struct State {
        var isCancelled = false
        var cancel: (@Sendable () -> Void)?
    }

    init(pool: NIOLoopBound<UpstreamPool>, api: PromptAPI, now: @escaping @Sendable () -> Instant) {
        self.pool = pool
        self.api = api
        self.now = now
    }

    var wasCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Any thread; also before and after the query.
    func cancel() {
        let cancel = state.withLock { state in
            state.isCancelled = true
            defer { state.cancel = nil }
            return state.cancel
        }
        cancel?()
    }

    /// Nil if there was no whole answer.
    func ask(_ backend: LocalBackend, body: [UInt8], limit: TimeAmount) async -> SpeedCheckReply? {
        guard let address = backend.address else { return nil }
        let headers = HeaderPolicy.backendHeaders(host: address.authority, bodyBytes: body.count, key: backend.key)
        let head = HTTPRequestHead(
            version: .http1_1, method: .POST, uri: address.basePath + api.path, headers: headers)
        let loop = pool.eventLoop
        return try? await loop.flatSubmit { [self] in
            let listener = SpeedCheckListener(api: api, now: now, loop: loop, limit: limit)
            listener.exchange = pool.value.start(
                .backend(address), head, body: ByteBuffer(bytes: body), fresh: false, receiver: listener)
            let bound = NIOLoopBound(listener, eventLoop: loop)
            let isCancelled = state.withLock { state in
                state.cancel = { loop.execute { bound.value.end(nil) } }
                return state.isCancelled
            }
            if isCancelled { listener.end(nil) }
            return listener.promise.futureResult
        }.get()
    }
}

/// Lives on the loop until its promise is done.
private final class SpeedCheckListener: UpstreamReceiver {
    let promise: EventLoopPromise<SpeedCheckReply?>
    var exchange: UpstreamExchange?
    private let now: @Sendable () -> Instant
    private var decoder: ReplyDecoder
    private var timeout: Scheduled<Void>?
    private var status: UInt = 0
    private var reply = SpeedCheckReply()
    private var firstPieceAt: Instant?
    private var isOver = false

    init(api: PromptAPI, now: @escaping @Sendable () -> Instant, loop: any EventLoop, limit: TimeAmount) {
        self.now = now
        decoder = ReplyDecoder(api)
        promise = loop.makePromise()
        // Holds this until it is over: the connection that it waits for does not.
        timeout = loop.assumeIsolated().scheduleTask(in: limit) { self.end(nil) }
    }

    func upstreamAccepted() {}
    func upstream(head: HTTPResponseHead) { status = head.status.code }

    func upstream(body chunk: ByteBuffer) {
        guard status == 200 else { return end(nil) }
        guard let events = try? decoder.push(chunk) else { return end(nil) }
        take(events)
    }

    func upstreamEnd() {
        guard status == 200, let rest = try? decoder.finish() else { return end(nil) }
        take(rest)
        guard decoder.isComplete else { return end(nil) }
        if let firstPieceAt { reply.writing = now() - firstPieceAt }
        end(reply)
    }

    func upstreamFailed(_ failure: UpstreamFailure) { end(nil) }

    private func take(_ events: [GenerationEvent]) {
        for event in events {
            switch event {
            case .text, .thinking:
                reply.pieces += 1
                if firstPieceAt == nil { firstPieceAt = now() }
            case .usage(let usage): reply.usage = reply.usage?.merging(usage) ?? usage
            case .failed: return end(nil)
            case .toolCall, .finished: break
            }
        }
    }

    func end(_ reply: SpeedCheckReply?) {
        guard !isOver else { return }
        isOver = true
        timeout?.cancel()
        exchange?.cancel()
        promise.succeed(reply)
    }
}
