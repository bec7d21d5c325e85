import Foundation
import HTTPTypes
import Logging
import NIOCore
import NIOHTTPTypes

/// First in the pipeline of every connection to the local socket: lets the agent's own user through and answers anybody
/// else, root included, with 403. Everything behind it may take the caller for the agent's user.
///
/// Modes keep others out already; this is the second lock, for a socket whose mode or folder somebody has changed. A
/// request that comes before the kernel has said who is there is refused.
final class LocalGate: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    private let owner: uid_t
    private let logger: Logger
    private var user: uid_t?
    private var isRefused = false

    init(owner: uid_t, logger: Logger) {
        self.owner = owner
        self.logger = logger
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { identify(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        identify(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isRefused else { return }
        if user == owner { return context.fireChannelRead(data) }
        isRefused = true
        logger.warning("local request refused", metadata: ["uid": "\(user.map { "\($0)" } ?? "unknown")"])
        refuse(context)
    }

    private func identify(_ context: ChannelHandlerContext) {
        guard user == nil else { return }
        // Completed at once: this runs on the channel's own loop.
        PeerUser.identify(context.channel).assumeIsolated().whenSuccess { self.user = $0 }
    }

    private func refuse(_ context: ChannelHandlerContext) {
        let problem = Problem(
            "wrong-user", .forbidden, "Not allowed",
            detail:
                "This socket is for user \(owner), who runs the agent: run the command as that user, or sign in with "
                + "--url and --user.")
        let body = problem.document
        let fields: HTTPFields = [
            .contentType: "application/problem+json", .contentLength: String(body.readableBytes), .connection: "close",
        ]
        context.write(wrapOutboundOut(.head(HTTPResponse(status: problem.status, headerFields: fields))), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        let context = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.value.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in context.value.close(promise: nil) }
    }
}
