import NIOCore
import NIOHTTP1

/// A whole answer from upstream.
struct CollectedReply: Sendable {
    let head: HTTPResponseHead
    let body: ByteBuffer
}

enum CollectFailure: Error, Hashable {
    /// Nothing was sent: asking elsewhere is safe.
    case noConnection(String)
    /// The connection ended before the answer did.
    case brokenOff(String)
    case timedOut
    case tooLong
}

/// One request upstream whose answer is collected whole, bounded in size and time; lives on the pool's loop until its promise
/// is done.
final class CollectedExchange: UpstreamReceiver {
    let promise: EventLoopPromise<CollectedReply>
    private let bodyBytesMax: Int
    private var exchange: UpstreamExchange?
    private var timeout: Scheduled<Void>?
    private var head: HTTPResponseHead?
    private var body = ByteBuffer()
    private var isOver = false

    init(loop: any EventLoop, limit: TimeAmount, bodyBytesMax: Int) {
        promise = loop.makePromise()
        self.bodyBytesMax = bodyBytesMax
        // Holds the exchange until it is over: the connection that it waits for does not.
        timeout = loop.assumeIsolated().scheduleTask(in: limit) { self.end(.failure(.timedOut)) }
    }

    /// - Parameter fresh: on a connection of its own.
    func start(
        on pool: UpstreamPool, _ target: UpstreamTarget, _ head: HTTPRequestHead, body: ByteBuffer = ByteBuffer(),
        fresh: Bool = false
    ) {
        exchange = pool.start(target, head, body: body, fresh: fresh, receiver: self)
    }

    func upstreamAccepted() {}
    func upstream(head: HTTPResponseHead) { self.head = head }

    func upstream(body chunk: ByteBuffer) {
        guard body.readableBytes + chunk.readableBytes <= bodyBytesMax else { return end(.failure(.tooLong)) }
        body.writeImmutableBuffer(chunk)
    }

    func upstreamEnd() {
        guard let head else { return end(.failure(.brokenOff("an answer without a head"))) }
        end(.success(CollectedReply(head: head, body: body)))
    }

    func upstreamFailed(_ failure: UpstreamFailure) {
        switch failure {
        case .cannotConnect, .exhausted: end(.failure(.noConnection("\(failure)")))
        case .closed, .malformed: end(.failure(.brokenOff("\(failure)")))
        }
    }

    private func end(_ result: Result<CollectedReply, CollectFailure>) {
        guard !isOver else { return }
        isOver = true
        timeout?.cancel()
        exchange?.cancel()
        promise.completeWith(result.mapError { $0 })
    }
}
