import NIOCore
import NIOHTTPTypes
import NodeCore
import Primitives

/// First in every connection's pipeline, before the gateway and Hummingbird, which therefore both need not care: turns
/// away peers from networks where plain HTTP is not accepted, and closes connections that do nothing or stop in the
/// middle of a request.
///
/// A response that takes long is no idleness: while one is due, only the reading of its request is timed.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Longest pause between requests, and for the first one's head. Raising it holds more idle connections.
    static let idleTimeout: TimeAmount = .seconds(75)
    /// Longest pause while a request is being received.
    static let readTimeout: TimeAmount = .seconds(30)
    private static let checkInterval: TimeAmount = .seconds(5)

    /// Nil where every network may connect, as under TLS.
    private let networks: [Network]?
    private var responsesDue = 0
    private var isReadingRequest = false
    private var lastActivity = NIODeadline.now()
    private var check: Scheduled<Void>?

    init(networks: [Network]?) {
        self.networks = networks
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { check?.cancel() }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        check?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastActivity = .now()
        switch unwrapInboundIn(data) {
        case .head:
            responsesDue += 1
            isReadingRequest = true
        case .body: break
        case .end: isReadingRequest = false
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        lastActivity = .now()
        if case .end = unwrapOutboundIn(data) { responsesDue -= 1 }
        context.write(data, promise: promise)
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard check == nil else { return }
        guard accepts(context.remoteAddress) else { return context.close(promise: nil) }
        scheduleCheck(context)
    }

    private func accepts(_ address: SocketAddress?) -> Bool {
        guard let networks, let address, let host = address.ipAddress else { return true }
        guard let peer = Endpoint(host: host, port: 0) else { return false }
        return networks.contains { $0.contains(peer) }
    }

    private func scheduleCheck(_ context: ChannelHandlerContext) {
        check = context.eventLoop.assumeIsolated().scheduleTask(in: Self.checkInterval) {
            let quietFor = NIODeadline.now() - self.lastActivity
            let isStuck = self.isReadingRequest && quietFor > Self.readTimeout
            let isIdle = self.responsesDue == 0 && quietFor > Self.idleTimeout
            if isStuck || isIdle { return context.close(promise: nil) }
            self.scheduleCheck(context)
        }
    }
}
