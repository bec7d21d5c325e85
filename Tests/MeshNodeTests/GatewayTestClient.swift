import NIOCore
import NIOPosix

/// One connection that speaks HTTP by hand, so that tests can also be rude.
struct GatewayTestClient {
    struct Answer: Sendable {
        var status = 0
        var fields: [String: String] = [:]
        /// As they arrived, one for each chunk of the transfer coding.
        var chunks: [String] = []
        var body: String { chunks.joined() }
        /// Lines of a stream, without empty ones.
        var lines: [String] { body.split(separator: "\n").map(String.init) }
    }

    /// Sends one request and reads one answer.
    static func send(
        _ method: String, _ path: String, port: Int, _ fields: [String: String] = [:], body: String = ""
    ) async throws -> Answer {
        let answers = try await raw(request(method, path, fields, body: body), port: port, count: 1)
        return answers.first ?? Answer()
    }

    static func request(_ method: String, _ path: String, _ fields: [String: String] = [:], body: String = "") -> String
    {
        var text = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n"
        for (name, value) in fields { text += "\(name): \(value)\r\n" }
        if !body.isEmpty { text += "Content-Length: \(body.utf8.count)\r\n" }
        return text + "\r\n" + body
    }

    /// Sends bytes as they are, perhaps saying that there are no more, and reads that many answers, or fewer if the other
    /// side closes.
    static func raw(
        _ text: String, port: Int, count: Int, thenEndsSending: Bool = false
    ) async throws -> [Answer] {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: thenEndsSending))
                }
            }
        let isHead = text.hasPrefix("HEAD")
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            if thenEndsSending { outbound.finish() }
            var received: [UInt8] = []
            var answers: [Answer] = []
            do {
                for try await part in inbound {
                    received += Array(part.readableBytesView)
                    while let (answer, size) = Answer.parse(received, hasBody: !isHead) {
                        received.removeFirst(size)
                        if answer.status >= 200 { answers.append(answer) }
                        if answers.count == count { return answers }
                    }
                }
            } catch is IOError {
                return answers
            }
            return answers
        }
    }

    /// Sends a request, waits until `enough` of the answer has come, and closes.
    static func abandon(_ text: String, port: Int, until enough: @Sendable () async throws -> Void) async throws {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port).get()
        try await channel.writeAndFlush(ByteBuffer(string: text))
        try await enough()
        try await channel.close()
    }
}

extension GatewayTestClient.Answer {
    /// The first complete answer in `bytes` and its size, or nil if it has not arrived.
    static func parse(_ bytes: [UInt8], hasBody: Bool) -> (GatewayTestClient.Answer, Int)? {
        guard let headEnd = find([13, 10, 13, 10], in: bytes, from: 0) else { return nil }
        var answer = GatewayTestClient.Answer()
        let lines = String(decoding: bytes[..<headEnd], as: UTF8.self).split(separator: "\r\n")
        answer.status = lines.first.flatMap { Int($0.split(separator: " ")[1]) } ?? 0
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            answer.fields[parts[0].lowercased()] = parts.count == 2 ? String(parts[1].drop { $0 == " " }) : ""
        }
        var index = headEnd + 4
        if !hasBody || answer.status < 200 { return (answer, index) }
        guard answer.fields["transfer-encoding"] == "chunked" else {
            let length = Int(answer.fields["content-length"] ?? "0") ?? 0
            guard bytes.count >= index + length else { return nil }
            if length > 0 { answer.chunks = [String(decoding: bytes[index..<index + length], as: UTF8.self)] }
            return (answer, index + length)
        }
        while let end = find([13, 10], in: bytes, from: index) {
            let size = Int(String(decoding: bytes[index..<end], as: UTF8.self), radix: 16) ?? 0
            guard bytes.count >= end + 4 + size else { return nil }
            if size == 0 { return (answer, end + 4) }
            answer.chunks.append(String(decoding: bytes[end + 2..<end + 2 + size], as: UTF8.self))
            index = end + 4 + size
        }
        return nil
    }

    private static func find(_ pattern: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
        guard bytes.count >= start + pattern.count else { return nil }
        return (start...(bytes.count - pattern.count)).first { bytes[$0..<$0 + pattern.count].elementsEqual(pattern) }
    }
}
