import Foundation
import NIOCore
import NIOPosix
import Primitives

/// One client of a load: sends a request on a connection of its own, waits for the answer, and sends the next, until it
/// is told to stop. It understands of HTTP only what the mesh's answers to values need, so that little of what is
/// measured is its own work.
final class LoadClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What was asked, and how it ended.
    struct Answer: Sendable {
        let sentAt: ContinuousClock.Instant
        let heardAt: ContinuousClock.Instant
        /// 0 where the connection ended instead.
        let status: Int
        var isSuccess: Bool { 200..<300 ~= status }
    }

    /// The next request's bytes, or nil to stop; told what came of the last one.
    typealias Script = @Sendable (_ last: Answer?) -> ByteBuffer?

    private let script: Script
    private let ended: EventLoopPromise<Void>
    private var received = ByteBuffer()
    private var sentAt: ContinuousClock.Instant?

    private init(script: @escaping Script, ended: EventLoopPromise<Void>) {
        self.script = script
        self.ended = ended
    }

    /// Returns when the script, or the other side, has ended it.
    static func run(_ address: LoadTarget, on group: any EventLoopGroup, script: @escaping Script) async throws {
        let ended = group.any().makePromise(of: Void.self)
        do {
            _ = try await ClientBootstrap(group: group)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(LoadClient(script: script, ended: ended))
                    }
                }
                .connect(host: address.host, port: address.port).get()
        } catch {
            ended.succeed()
            throw error
        }
        try await ended.futureResult.get()
    }

    func channelActive(context: ChannelHandlerContext) { send(after: nil, context) }

    func channelInactive(context: ChannelHandlerContext) {
        if let sentAt { _ = script(Answer(sentAt: sentAt, heardAt: .now, status: 0)) }
        ended.succeed()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.writeImmutableBuffer(unwrapInboundIn(data))
        guard let sentAt, let (status, length) = received.withUnsafeReadableBytes({ Self.answer(in: $0) }) else {
            return
        }
        received.moveReaderIndex(forwardBy: length)
        received.discardReadBytes()
        send(after: Answer(sentAt: sentAt, heardAt: .now, status: status), context)
    }

    private func send(after last: Answer?, _ context: ChannelHandlerContext) {
        guard let request = script(last) else {
            sentAt = nil
            return context.close(promise: nil)
        }
        sentAt = .now
        context.writeAndFlush(wrapOutboundOut(request), promise: nil)
    }

    /// Status and whole length of a complete answer; nil while some of it is missing.
    static func answer(in bytes: UnsafeRawBufferPointer) -> (status: Int, length: Int)? {
        var lineStart = 0
        var bodyLength = 0
        for end in bytes.indices.dropFirst() where bytes[end] == UInt8(ascii: "\n") {
            defer { lineStart = end + 1 }
            guard end - 1 > lineStart else {
                let length = end + 1 + bodyLength
                return length <= bytes.count ? (number(in: bytes[9..<12]), length) : nil
            }
            let line = bytes[lineStart..<end]
            if line.starts(with: lengthField, by: { $0 | 0x20 == $1 }) {
                bodyLength = number(in: line.dropFirst(lengthField.count))
            }
        }
        return nil
    }

    /// In small letters; the bit that tells them from large ones is set in `-` and `:` anyway.
    private static let lengthField = Array("content-length:".utf8)

    private static func number(in bytes: Slice<UnsafeRawBufferPointer>) -> Int {
        bytes.reduce(0) { 48...57 ~= $1 ? $0 * 10 + Int($1 - 48) : $0 }
    }
}

/// Where a load goes, and as whom.
struct LoadTarget: Sendable {
    let host: String
    let port: Int
    private let token: String

    /// `base` is a URL without a path.
    init?(base: String, token: String) {
        guard let url = URL(string: base), let host = url.host, let port = url.port else { return nil }
        self.host = host
        self.port = port
        self.token = token
    }

    func get(_ key: String) -> ByteBuffer { ByteBuffer(string: head("GET", key) + "\r\n") }

    func put(_ key: String, _ value: ByteBuffer) -> ByteBuffer {
        var request = ByteBuffer(string: head("PUT", key) + "Content-Length: \(value.readableBytes)\r\n\r\n")
        request.writeImmutableBuffer(value)
        return request
    }

    private func head(_ method: String, _ key: String) -> String {
        "\(method) /mesh/v1/kv/\(key) HTTP/1.1\r\nHost: \(host):\(port)\r\nAuthorization: Bearer \(token)\r\n"
    }
}
