import NIOCore
import NIOSSL
import Primitives
import SecureChannel

/// Fired towards the application once a sealed stream knows who is at its other end.
struct PeerStreamOpened: Sendable {
    let peer: AuthenticatedPeer
}

/// Makes the sealed ends of connections between agents. Everything inside such a stream is plain HTTP/1.1.
package protocol PeerSealing: Sendable {
    func makeInitiator(to peer: NodeID) -> StreamChannel
    func makeResponder() -> StreamChannel
}

/// Sealing with the node's own keys, to and from the roster.
package struct ChannelSealing: PeerSealing {
    private let keys: SharedKeys

    package init(keys: SharedKeys) { self.keys = keys }

    package func makeInitiator(to peer: NodeID) -> StreamChannel {
        var entropy = SodiumEntropy()
        return StreamChannel(initiatorTo: peer, keys: keys.current, entropy: &entropy)
    }

    package func makeResponder() -> StreamChannel {
        var entropy = SodiumEntropy()
        return StreamChannel(responder: keys.current, entropy: &entropy)
    }
}

/// One end of a sealed stream as a channel handler, or, on the accepting side of a port that speaks several protocols,
/// the one that finds out by the first byte what arrives:
///
///     first byte 0 ---------> a sealed peer stream; TLS steps aside
///     anything else --------> TLS or plain HTTP: bytes pass through from here on
///
/// No HTTP method and no TLS record begins with a zero byte. What is written before the handshake is done waits here.
final class PeerStream: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Mode {
        case undecided
        case passing
        case sealed(StreamChannel)
        case dead
    }

    /// From the first byte to the end of the handshake: two round trips.
    private static let handshakeTimeout: TimeAmount = .seconds(3)
    /// Below `StreamChannel.messageByteCountMax`, so that a large body becomes several messages.
    private static let messageBytes = 1 << 20

    private var mode: Mode
    private let sealing: any PeerSealing
    private let announces: Bool
    private var isOpen = false
    private var waiting = ByteBuffer()
    private var promises: [EventLoopPromise<Void>] = []
    private var timeout: Scheduled<Void>?

    /// The side that connects.
    init(initiatorTo peer: NodeID, sealing: any PeerSealing) {
        mode = .sealed(sealing.makeInitiator(to: peer))
        self.sealing = sealing
        announces = false
    }

    /// The side that accepted, first in its pipeline.
    init(sniffing sealing: any PeerSealing) {
        mode = .undecided
        self.sealing = sealing
        announces = true
    }

    func channelActive(context: ChannelHandlerContext) {
        if case .sealed(var channel) = mode {
            mode = .dead
            let hello = channel.start()
            mode = .sealed(channel)
            guard !hello.isEmpty else { return context.close(promise: nil) }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: hello)), promise: nil)
            limitHandshake(context)
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timeout?.cancel()
        failWaiting(ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { timeout?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch mode {
        case .passing: context.fireChannelRead(data)
        case .dead: break
        case .sealed: receive(unwrapInboundIn(data), context)
        case .undecided: decide(unwrapInboundIn(data), context)
        }
    }

    private func decide(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        guard let first = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) else { return }
        guard first == StreamChannel.magic[0] else {
            mode = .passing
            return context.fireChannelRead(wrapInboundOut(bytes))
        }
        mode = .sealed(sealing.makeResponder())
        limitHandshake(context)
        guard let tls = try? context.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self) else {
            return receive(bytes, context)
        }
        // The stream brings its own seal. Nothing was sent to TLS yet, so it leaves without a trace.
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.pipeline.syncOperations.removeHandler(context: tls).whenComplete { _ in
            let (handler, context) = bound.value
            handler.receive(bytes, context)
        }
    }

    private func receive(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        guard case .sealed(var channel) = mode else { return }
        // Taken out while it changes, so that nothing is copied.
        mode = .dead
        let output: StreamOutput
        do throws(StreamRejection) {
            output = try channel.receive(Array(bytes.readableBytesView))
        } catch {
            return context.close(promise: nil)
        }
        mode = .sealed(channel)
        if !output.reply.isEmpty {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: output.reply)), promise: nil)
        }
        if !isOpen, let peer = channel.peer {
            isOpen = true
            timeout?.cancel()
            if announces { context.fireUserInboundEventTriggered(PeerStreamOpened(peer: peer)) }
            if sendWaiting(context) { context.flush() }
        }
        for message in output.plaintext where !message.isEmpty {
            context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: message)))
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .undecided, .passing: context.write(data, promise: promise)
        case .dead: promise?.fail(ChannelError.ioOnClosedChannel)
        case .sealed:
            waiting.writeImmutableBuffer(unwrapOutboundIn(data))
            if let promise { promises.append(promise) }
        }
    }

    /// Each flush of the layers above becomes one sealed message, so a chunk leaves when it is flushed and not later.
    func flush(context: ChannelHandlerContext) {
        if isOpen { _ = sendWaiting(context) }
        context.flush()
    }

    /// Returns whether anything was written.
    private func sendWaiting(_ context: ChannelHandlerContext) -> Bool {
        guard case .sealed(var channel) = mode, waiting.readableBytes > 0 else { return false }
        mode = .dead
        var sealed = ByteBuffer()
        while let part = waiting.readSlice(length: min(waiting.readableBytes, Self.messageBytes)),
            part.readableBytes > 0
        {
            // Cannot fail: the handshake is done, and a part is smaller than a message may be.
            guard let bytes = try? channel.seal(Array(part.readableBytesView)) else {
                preconditionFailure("an open stream refused a message of \(part.readableBytes) bytes")
            }
            sealed.writeBytes(bytes)
        }
        mode = .sealed(channel)
        waiting.clear(minimumCapacity: 0)
        let promises = self.promises
        self.promises = []
        let written = promises.isEmpty ? nil : context.eventLoop.makePromise(of: Void.self)
        for promise in promises { written?.futureResult.cascade(to: promise) }
        context.write(wrapOutboundOut(sealed), promise: written)
        return true
    }

    private func limitHandshake(_ context: ChannelHandlerContext) {
        timeout = context.eventLoop.assumeIsolated().scheduleTask(in: Self.handshakeTimeout) {
            if !self.isOpen { context.close(promise: nil) }
        }
    }

    private func failWaiting(_ error: any Error) {
        for promise in promises { promise.fail(error) }
        promises = []
        waiting = ByteBuffer()
    }
}
