import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Serves requests for shared values on their connection's own event loop, ahead of Hummingbird: a client's write costs
/// one hop to the brain's loop and one back, and no task.
///
///     ConnectionGuard -> GatewayHandler -> ValueHandler -> Hummingbird
///                                            |     ^
///                                            v     | answer, by way of the event loop
///                                           MeshCore
///
/// What `HTTPSurface.takeValueTurn` does not take passes on untouched, and so does everything behind a request that
/// Hummingbird has yet to answer. While an answer is due here, what follows on the connection is held back, and nothing
/// more is read.
final class ValueHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let surface: HTTPSurface
    private var context: ChannelHandlerContext?
    private var queue: ValueQueue?
    private var turn: ValueTurn?
    private var isAnswerDue = false
    /// Responses that Hummingbird still owes.
    private var passedCount = 0
    private var held: CircularBuffer<HTTPRequestPart> = []
    /// What would end the connection waits for the answer.
    private var heldEvents: [Any] = []
    private var readIsDue = false
    /// The last answer is on its way: what still comes out of the decoder is nobody's.
    private var isClosing = false

    init(surface: HTTPSurface) { self.surface = surface }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        queue = surface.valueQueues.queue(on: context.eventLoop)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        leave()
        self.context = nil
    }

    // MARK: From the network

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        let part = unwrapInboundIn(data)
        if isAnswerDue || !held.isEmpty { held.append(part) } else { take(part, context) }
    }

    func read(context: ChannelHandlerContext) {
        if held.isEmpty { context.read() } else { readIsDue = true }
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Hummingbird would answer a broken request at once, into the middle of an answer from here.
        guard turn != nil else { return context.fireErrorCaught(error) }
        leave()
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent where turn != nil: heldEvents.append(event)
        case ChannelEvent.inputClosed where turn != nil: heldEvents.append(event)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    private func take(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        guard turn != nil else {
            if case .head(let head) = part {
                if passedCount == 0, let taken = surface.takeValueTurn(head) {
                    turn = taken
                    return
                }
                passedCount += 1
            }
            return context.fireChannelRead(wrapInboundOut(part))
        }
        switch part {
        case .head: preconditionFailure("a request began before the one in hand was complete")
        case .body(let bytes): turn?.body.writeImmutableBuffer(bytes)  // no longer than the codec was told
        case .end: ask(context)
        }
    }

    // MARK: Answering

    private func ask(_ context: ChannelHandlerContext) {
        guard let turn else { return }
        isAnswerDue = true
        let loop = context.eventLoop
        let handler = NIOLoopBound(self, eventLoop: loop)
        let (core, vault) = (surface.core, surface.vault)
        queue?.add {
            turn.request.answer(turn.body, author: turn.caller.user, core: core, vault: vault) { answer in
                loop.execute { handler.value.give(answer.reply()) }
            }
        }
    }

    private func give(_ reply: WholeReply) {
        guard let context, let turn else { return }  // the client has left
        self.turn = nil
        isAnswerDue = false
        var fields = reply.fields
        surface.noteFreshness(&fields, turn.caller)
        surface.complete(&fields, status: reply.status)
        fields[.contentLength] = String(reply.body.readableBytes)
        fields[.date] = surface.date.text
        context.write(wrapOutboundOut(.head(HTTPResponse(status: reply.status, headerFields: fields))), promise: nil)
        if reply.body.readableBytes > 0 { context.write(wrapOutboundOut(.body(reply.body)), promise: nil) }
        if turn.closes { return end(context) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        drain(context)
        // What would end the connection waits for the requests that came before it, too.
        guard self.turn == nil else { return }
        for event in heldEvents { context.fireUserInboundEventTriggered(event) }
        heldEvents = []
    }

    private func end(_ context: ChannelHandlerContext) {
        isClosing = true
        leave()
        let sent = context.eventLoop.makePromise(of: Void.self)
        sent.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: sent)
    }

    private func drain(_ context: ChannelHandlerContext) {
        guard !held.isEmpty else { return }
        while !isAnswerDue, let part = held.popFirst() { take(part, context) }
        context.fireChannelReadComplete()
        if readIsDue, held.isEmpty {
            readIsDue = false
            context.read()
        }
    }

    private func leave() {
        turn = nil
        isAnswerDue = false
        held.removeAll()
        heldEvents = []
    }

    // MARK: From Hummingbird

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data), passedCount > 0 { passedCount -= 1 }
        context.write(data, promise: promise)
    }
}
