import NIOCore
import NIOHTTP1

/// Hears one exchange on an upstream connection; always on the connection's event loop, and nothing after `failed` or
/// `end`.
protocol UpstreamReceiver: AnyObject {
    /// An interim answer (1xx): the other agent has taken the request in hand.
    func upstreamAccepted()
    func upstream(head: HTTPResponseHead)
    func upstream(body: ByteBuffer)
    func upstreamEnd()
    func upstreamFailed(_ failure: UpstreamFailure)
}

/// An exchange under way, seen by whoever waits for its answer.
protocol UpstreamHandle: AnyObject {
    /// Ends it; the receiver hears nothing more.
    func cancel()
    func setPaused(_ paused: Bool)
}

/// Why an upstream exchange broke.
enum UpstreamFailure: Error, Hashable {
    case cannotConnect(String)
    /// Closed or reset. `wasReused`: on a kept-alive connection before any byte of an answer, where the likely cause is
    /// that the other side had just closed it for idleness.
    case closed(wasReused: Bool)
    case malformed(String)
    /// The pool holds as many connections to that target as it may.
    case exhausted
}

/// One HTTP/1.1 connection to a backend or another agent, carrying one exchange at a time. The last handler of its
/// channel, and what the pool hands out.
///
///     idle --send--> busy --end of reply--> idle (pooled)
///       \              \--error, cancel, early close--> closed, never used again
///        \--anything arrives, or close--> closed
final class UpstreamConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    let target: UpstreamTarget
    private weak var receiver: (any UpstreamReceiver)?
    private weak var pool: UpstreamPool?
    private var context: ChannelHandlerContext?
    private var isBusy = false
    private var isClosing = false
    private var exchangeCount = 0
    private var hasReceivedPart = false
    /// The other side closes after this reply.
    private var mustClose = false
    private var isPaused = false
    private var readIsDue = false
    private(set) var idleSince = NIODeadline.now()

    init(target: UpstreamTarget, pool: UpstreamPool) {
        self.target = target
        self.pool = pool
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    var isUsable: Bool { !isBusy && !isClosing && context?.channel.isActive ?? false }

    /// Sends one request and returns its number here. Traps if another is under way.
    func send(_ head: HTTPRequestHead, body: ByteBuffer, to receiver: any UpstreamReceiver) -> Int {
        precondition(!isBusy, "a connection carries one exchange at a time")
        exchangeCount += 1
        guard let context, !isClosing else {
            receiver.upstreamFailed(.closed(wasReused: exchangeCount > 1))
            return exchangeCount
        }
        isBusy = true
        hasReceivedPart = false
        mustClose = false
        self.receiver = receiver
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if body.readableBytes > 0 { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        return exchangeCount
    }

    /// Stops or resumes reading, so that a slow client slows its backend rather than filling memory here.
    func setPaused(_ paused: Bool, exchange: Int) {
        guard isBusy, exchange == exchangeCount else { return }
        isPaused = paused
        if !paused, readIsDue {
            readIsDue = false
            context?.read()
        }
    }

    /// Ends the exchange at once by closing: a backend stops generating when its client is gone. Nothing happens if the
    /// exchange has ended and the connection carries another one by now.
    func cancel(exchange: Int) {
        guard isBusy, exchange == exchangeCount else { return }
        receiver = nil
        close()
    }

    func close() {
        guard !isClosing else { return }
        isClosing = true
        pool?.forget(self)
        context?.close(promise: nil)
    }

    func read(context: ChannelHandlerContext) {
        if isPaused { readIsDue = true } else { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // A pooled connection has nothing to say: what comes unasked must not become the next request's answer.
        guard isBusy else { return close() }
        hasReceivedPart = true
        switch unwrapInboundIn(data) {
        case .head(let head):
            if (100..<200).contains(head.status.code) { return receive(interim: head) }
            mustClose = !head.isKeepAlive
            receiver?.upstream(head: head)
        case .body(let chunk):
            receiver?.upstream(body: chunk)
        case .end:
            finishExchange()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(.closed(wasReused: exchangeCount > 1 && !hasReceivedPart))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is HTTPParserError {
            fail(.malformed("\(error)"))
        } else {
            fail(.closed(wasReused: exchangeCount > 1 && !hasReceivedPart))
        }
    }

    private func receive(interim head: HTTPResponseHead) {
        // 101 would turn the connection into something that nobody here asked for.
        if head.status.code == 101 { return fail(.malformed("switching protocols was not asked for")) }
        receiver?.upstreamAccepted()
    }

    private func finishExchange() {
        let receiver = self.receiver
        self.receiver = nil
        isBusy = false
        isPaused = false
        idleSince = .now()
        if readIsDue {
            readIsDue = false
            context?.read()
        }
        if mustClose { close() } else if !isClosing { pool?.keep(self) }
        receiver?.upstreamEnd()
    }

    private func fail(_ failure: UpstreamFailure) {
        let receiver = self.receiver
        self.receiver = nil
        isBusy = false
        close()
        receiver?.upstreamFailed(failure)
    }
}
