import HTTPTypes
import NIOCore
import NIOHTTPTypes
import NodeCore
import Primitives
import SecureChannel

/// The gateway's place on a connection, between Hummingbird's HTTP/1 codec and Hummingbird: takes the requests that are
/// the gateway's, passes all others on untouched.
///
///     bytes -> PeerStream -> [TLS] -> HTTP/1 codec -> GatewayHandler -> Hummingbird
///                                                       |        ^
///                                                       v        |
///                                                  PromptExchange (pool of the same event loop)
///
/// Requests of one connection are answered in order. While one is with either side, a following one for the other side
/// is held back here, and beyond `heldBytesMax` the connection is not read on.
///
/// A client that closes, even only its sending half, is gone: everything done for it is cancelled.
final class GatewayHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private static let heldBytesMax = 1 << 20
    private static let heldPartsMax = 256
    private static let admissionRetryInterval: TimeAmount = .milliseconds(10)
    private static let admissionWaitMax: Duration = .seconds(1)
    private static let lingerSpan: TimeAmount = .seconds(1)

    private let gateway: Gateway
    private let reader: TurnReader
    private var context: ChannelHandlerContext?
    /// Who is at the other end of a sealed stream; nil for clients.
    private var peer: NodeID?
    private var turn: Turn?
    /// Responses that Hummingbird still owes.
    private var passedCount = 0
    private var held: CircularBuffer<HTTPRequestPart> = []
    private var heldBytes = 0
    private var isDraining = false
    /// The connection is being closed: what still comes out of the decoder is nobody's.
    private var isClosing = false
    private var readIsDue = false
    private var quiescing: Any?
    private var admissionRetry: Scheduled<Void>?
    private var lingering: Scheduled<Void>?

    init(gateway: Gateway, access: GatewayAccess) {
        self.gateway = gateway
        reader = TurnReader(gateway: gateway, access: access)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let sniffer = PeerStream(sniffing: gateway.sealing)
        // Cannot fail: the pipeline is this handler's own, on its own loop.
        try? context.pipeline.syncOperations.addHandler(sniffer, position: .first)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        leave()
        self.context = nil
    }

    // MARK: From the network

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        let part = unwrapInboundIn(data)
        if held.isEmpty, canTake(part) { take(part, context) } else { hold(part) }
    }

    func read(context: ChannelHandlerContext) {
        if heldBytes > Self.heldBytesMax || held.count > Self.heldPartsMax { readIsDue = true } else { context.read() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Hummingbird would answer a broken request at once, into the middle of a reply of ours.
        guard turn != nil || peer != nil else { return context.fireErrorCaught(error) }
        leave()
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let opened as PeerStreamOpened: peer = opened.peer.node
        case is ChannelShouldQuiesceEvent where turn != nil: quiescing = event
        case ChannelEvent.inputClosed where turn != nil:
            leave()
            context.close(promise: nil)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        turn?.exchange?.setClientSlow(!context.channel.isWritable)
        context.fireChannelWritabilityChanged()
    }

    // MARK: From Hummingbird

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let isEnd = if case .end = unwrapOutboundIn(data) { true } else { false }
        context.write(data, promise: promise)
        guard isEnd, passedCount > 0 else { return }
        passedCount -= 1
        if !held.isEmpty {
            // The end must be on its way before a held request is answered.
            context.flush()
            drain(context)
        }
    }

    // MARK: Order

    /// Whether a part may be handled now: the parts of the request under way always, the next request once the other
    /// side owes nothing.
    private func canTake(_ part: HTTPRequestPart) -> Bool {
        if let turn { return !turn.isRequestComplete }
        guard case .head(let head) = part else { return true }
        return passedCount == 0 || dialect(of: head) == nil
    }

    private func take(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        if turn != nil { return receive(part, context) }
        guard case .head(var head) = part else { return context.fireChannelRead(wrapInboundOut(part)) }
        if let dialect = dialect(of: head) { return begin(head, dialect, context) }
        passedCount += 1
        // Only the channel says through whom a request came.
        head.headerFields[HeaderPolicy.via] = peer?.description
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    private func hold(_ part: HTTPRequestPart) {
        held.append(part)
        if case .body(let bytes) = part { heldBytes += bytes.readableBytes }
    }

    private func drain(_ context: ChannelHandlerContext) {
        guard !isDraining else { return }
        isDraining = true
        while let part = held.first, canTake(part) {
            held.removeFirst()
            if case .body(let bytes) = part { heldBytes -= bytes.readableBytes }
            take(part, context)
        }
        isDraining = false
        context.fireChannelReadComplete()
        if readIsDue, held.isEmpty {
            readIsDue = false
            context.read()
        }
    }

    private func dialect(of head: HTTPRequest) -> Dialect? {
        // Everything in a sealed stream is the gateway's, to serve or to refuse, but for what edge nodes pass on.
        if peer != nil {
            return reader.isPassedOn(head) ? nil : PromptAPI(rawValue: head.path ?? "")?.dialect ?? .ollama
        }
        return TurnReader.dialect(ofTarget: head.path ?? "")
    }

    // MARK: One request

    private func begin(_ head: HTTPRequest, _ dialect: Dialect, _ context: ChannelHandlerContext) {
        var head = head
        let plan: TurnPlan
        if let peer {
            plan = reader.readForwarded(head, from: peer)
        } else {
            head.headerFields = HeaderPolicy.stripMesh(head.headerFields)
            plan = reader.read(head, dialect: dialect)
        }
        turn = Turn(head: head, dialect: dialect, plan: plan)
        let declared = head.headerFields[.contentLength].flatMap { Int($0) } ?? 0
        if declared > gateway.bodyBytesMax { turn?.refuseBody(limit: gateway.bodyBytesMax) }
        let asksFirst = head.headerFields[.expect]?.isASCIIEqual(to: "100-continue") ?? false
        guard case .refuse? = turn?.plan else {
            if asksFirst {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
            return
        }
        if asksFirst || declared > UploadLimits.discardedBytesMax { refuseUnread(context) }
    }

    private func receive(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head: preconditionFailure("a request began before the one in hand was complete")
        case .body(let bytes):
            guard turn?.isReplyComplete == false else { return }
            turn?.receive(bytes, limit: gateway.bodyBytesMax)
            if turn?.isEndless ?? false { refuseUnread(context) }
        case .end:
            turn?.isRequestComplete = true
            guard let turn else { return }
            if turn.isReplyComplete { finishTurn(context) } else { carryOut(turn.plan, context) }
        }
    }

    /// Refuses before the body has arrived, and closes the connection rather than reading it.
    private func refuseUnread(_ context: ChannelHandlerContext) {
        guard let plan = turn?.plan else { return }
        turn?.closes = true
        carryOut(plan, context)
    }

    private func carryOut(_ plan: TurnPlan, _ context: ChannelHandlerContext) {
        guard let turn else { return }
        switch plan {
        case .refuse(let error, let fields): refuse(error, fields)
        case .catalogue(let question):
            let answer = question.answer(gateway)
            let fields = ReplyFields.make(
                turn.dialect, isStreaming: false, node: gateway.name, decision: "local; \(question.label)")
            switch answer {
            case .success(let document):
                whole(.ok, fields, ByteBuffer(bytes: document.encode()), isHead: turn.head.method == .head)
            case .failure(let error): refuse(error)
            }
        case .promptOnceAdmitted(let asker):
            // Tells an origin that its prompt is in hand; the wait here may be longer than its patience.
            interim()
            admitLater(asker, since: gateway.now(), context)
        case .prompt(let api, let caller, let delegation): startPrompt(api, caller, delegation, context)
        }
    }

    private func admitLater(_ asker: Asker, since start: Instant, _ context: ChannelHandlerContext) {
        guard let turn else { return }
        if let plan = reader.admitAgain(turn.head, asker) { return carryOut(plan, context) }
        guard gateway.now() - start < Self.admissionWaitMax else {
            return refuse(TurnReader.refusalOfLatecomer(asker))
        }
        admissionRetry = context.eventLoop.assumeIsolated().scheduleTask(in: Self.admissionRetryInterval) {
            self.admitLater(asker, since: start, context)
        }
    }

    private func startPrompt(
        _ api: PromptAPI, _ caller: Caller, _ delegation: Delegation?, _ context: ChannelHandlerContext
    ) {
        guard let body = turn?.takeBody() else { return }
        let original = Array(body.readableBytesView)
        let prompt: PromptRequest
        do throws(PromptRefusal) {
            prompt = try PromptRequest(original, api: api)
        } catch {
            return refuse(
                GatewayError(400, error.explanation, code: "invalid_request", parameter: error.parameter))
        }
        let exchange = PromptExchange(
            gateway: gateway, pool: gateway.pool(on: context.eventLoop), prompt: prompt, original: original,
            caller: caller, delegation: delegation, sink: self, onEnd: { [weak self] in self?.turn?.exchange = nil })
        self.turn?.exchange = exchange
        exchange.start()
    }

    private func refuse(_ error: GatewayError, _ extra: HTTPFields = HTTPFields()) {
        guard let turn else { return }
        var fields = ReplyFields.make(turn.dialect, isStreaming: false, node: gateway.name, decision: "none")
        for field in extra { fields.append(field) }
        if let seconds = error.retryAfterSeconds { fields[.retryAfter] = String(seconds) }
        if error.status == 401 { fields[.wwwAuthenticate] = "Bearer" }
        whole(
            HTTPResponse.Status(code: error.status), fields, ByteBuffer(bytes: error.body(turn.dialect)),
            isHead: turn.head.method == .head)
    }

    private func finishTurn(_ context: ChannelHandlerContext) {
        guard let turn else { return }
        self.turn = nil
        if turn.closes {
            isClosing = true
            guard !turn.isRequestComplete else { return context.close(promise: nil) }
            // Closing over unread bytes resets the connection, and the reset may overtake the answer (RFC 9112 §9.6): what
            // still comes is read and thrown away for a moment.
            lingering = context.eventLoop.assumeIsolated().scheduleTask(in: Self.lingerSpan) {
                context.close(promise: nil)
            }
            return
        }
        if let event = quiescing {
            quiescing = nil
            context.fireUserInboundEventTriggered(event)
        }
        drain(context)
    }

    /// The client is gone.
    private func leave() {
        admissionRetry?.cancel()
        lingering?.cancel()
        let exchange = turn?.exchange
        turn = nil
        held.removeAll()
        heldBytes = 0
        exchange?.cancel()
    }
}

extension GatewayHandler: ReplySink {
    var isWritable: Bool { context?.channel.isWritable ?? false }

    func interim() {
        guard let context, peer != nil, let turn, !turn.isReplyBegun else { return }
        context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .init(code: 102)))), promise: nil)
    }

    func begin(_ status: HTTPResponse.Status, _ fields: HTTPFields) {
        guard let context, turn != nil else { return }
        turn?.isReplyBegun = true
        var fields = fields
        if turn?.closes ?? false { fields[.connection] = "close" }
        context.write(wrapOutboundOut(.head(HTTPResponse(status: status, headerFields: fields))), promise: nil)
    }

    func piece(_ bytes: ByteBuffer) {
        guard let context, turn != nil else { return }
        context.writeAndFlush(wrapOutboundOut(.body(bytes)), promise: nil)
    }

    func end() {
        guard let context, turn != nil else { return }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        turn?.isReplyComplete = true
        guard let turn else { return }
        if turn.isRequestComplete || turn.closes { finishTurn(context) }
    }
}
