import Gossip
import NodeCore
import Primitives
import SecureChannel
import UVLoop

/// Sealed TCP streams to other nodes, for what does not fit a datagram. Lives on the loop's thread.
///
/// A stream is opened by whoever has something to send, or to notice at once that the other is gone (`keep`). It carries
/// messages one way, and is opened again after a loss; what was under way is lost with it, which consensus expects of any
/// message.
///
/// ```
/// message = kind 1 | payload
/// ```
final class PeerConnections {
    /// Messages that wait for a stream to open; more are dropped, as on a slow network.
    private static let waitingMax = 64
    private static let inboundMax = 256
    /// The mesh may take a while to decide, and a far machine to read the answer.
    private static let joinLimit: Duration = .seconds(15)
    private static let handshakeLimit: Duration = .seconds(3)

    private final class Outbound {
        let connection: TCPConnection
        var channel: StreamChannel
        var waiting: [[UInt8]] = []
        let giveUpAt: Instant

        init(connection: TCPConnection, channel: StreamChannel, giveUpAt: Instant) {
            self.connection = connection
            self.channel = channel
            self.giveUpAt = giveUpAt
        }
    }

    private final class Inbound {
        let connection: TCPConnection
        var channel = InboundChannel.undecided([])
        let giveUpAt: Instant
        /// A machine asked to be let in, and the mesh has not decided.
        var isJoining = false

        init(connection: TCPConnection, giveUpAt: Instant) {
            self.connection = connection
            self.giveUpAt = giveUpAt
        }

        var join: JoinChannel? { if case .join(let channel) = channel { channel } else { nil } }
        var peer: NodeID? { if case .stream(let channel) = channel { channel.peer?.node } else { nil } }
    }

    private let loop: Loop
    private let keys: SharedKeys
    private let onMessage: ([UInt8], FrameKind, AuthenticatedPeer) -> Void
    private let onLoss: (NodeID) -> Void
    /// Lets machines in that bring a token; set once the loop exists.
    var joinDesk: JoinDesk?
    private var outbound: [NodeID: Outbound] = [:]
    private var inbound: [ObjectIdentifier: Inbound] = [:]

    /// - Parameters:
    ///   - onMessage: is handed each message with its sender.
    ///   - onLoss: is told of a connection that ended, or could not be made for a message, with the node at its other end.
    init(
        loop: Loop, keys: SharedKeys, onMessage: @escaping ([UInt8], FrameKind, AuthenticatedPeer) -> Void,
        onLoss: @escaping (NodeID) -> Void
    ) {
        self.loop = loop
        self.keys = keys
        self.onMessage = onMessage
        self.onLoss = onLoss
    }

    // MARK: Sending

    func send(_ payload: [UInt8], kind: FrameKind, to node: NodeID, at endpoint: Endpoint) {
        let message = [kind.rawValue] + payload
        let stream = outbound[node] ?? open(to: node, at: endpoint)
        guard let stream else { return }
        if stream.channel.isEstablished {
            write(message, on: stream)
        } else if stream.waiting.count < Self.waitingMax {
            stream.waiting.append(message)
        }
    }

    /// Opens a stream to each of these that has none. Call when members change, and now and then for those that ended.
    func keep(to members: [Member]) {
        for member in members where outbound[member.id] == nil { _ = open(to: member.id, at: member.endpoint) }
    }

    /// Ends handshakes that take too long. Call now and then.
    func expire(at now: Instant) {
        for (_, stream) in outbound where !stream.channel.isEstablished && now >= stream.giveUpAt {
            stream.connection.close()
        }
        for (_, stream) in inbound where stream.peer == nil {
            let limit = stream.isJoining ? Self.joinLimit : .zero
            if now >= stream.giveUpAt + limit { stream.connection.close() }
        }
    }

    /// Ends connections with nodes that no longer belong to the mesh.
    func closeRevoked() {
        let keys = keys.current
        for (node, stream) in outbound where !keys.knows(node) { stream.connection.close() }
        for (_, stream) in inbound {
            if let peer = stream.peer, !keys.knows(peer) { stream.connection.close() }
        }
    }

    private func open(to node: NodeID, at endpoint: Endpoint) -> Outbound? {
        var entropy = SodiumEntropy()
        let channel = StreamChannel(initiatorTo: node, keys: keys.current, entropy: &entropy)
        guard
            let connection = try? TCPConnection.connect(
                to: endpoint, on: loop, onEvent: { [weak self] _, event in self?.handle(event, of: node) })
        else { return nil }
        let stream = Outbound(
            connection: connection, channel: channel, giveUpAt: MonotonicClock.now() + Self.handshakeLimit)
        outbound[node] = stream
        return stream
    }

    private func handle(_ event: TCPConnection.Event, of node: NodeID) {
        guard let stream = outbound[node] else { return }
        switch event {
        case .opened:
            let hello = stream.channel.start()
            if hello.isEmpty || !stream.connection.write(hello) { stream.connection.close() }
        case .received(let bytes):
            guard let output = try? stream.channel.receive(bytes) else { return stream.connection.close() }
            if !output.reply.isEmpty, !stream.connection.write(output.reply) { return stream.connection.close() }
            guard stream.channel.isEstablished else { return }
            let waiting = stream.waiting
            stream.waiting = []
            for message in waiting { write(message, on: stream) }
        case .drained: break
        case .closed:
            outbound[node] = nil
            // One that nobody needed yet, and that never stood, says nothing of the other node.
            if stream.channel.isEstablished || !stream.waiting.isEmpty { onLoss(node) }
        }
    }

    private func write(_ message: [UInt8], on stream: Outbound) {
        guard let sealed = try? stream.channel.seal(message) else { return stream.connection.close() }
        // A full backlog drops the message; the connection goes on.
        _ = stream.connection.write(sealed)
    }

    // MARK: Receiving

    func accept(_ connection: TCPConnection) {
        guard inbound.count < Self.inboundMax else { return connection.close() }
        let id = ObjectIdentifier(connection)
        inbound[id] = Inbound(connection: connection, giveUpAt: MonotonicClock.now() + Self.handshakeLimit)
        connection.begin { [weak self] _, event in self?.handle(event, from: id) }
    }

    private func handle(_ event: TCPConnection.Event, from id: ObjectIdentifier) {
        guard let stream = inbound[id] else { return }
        switch event {
        case .received(let bytes):
            // Silence on failure: the other side learns nothing but that the connection is gone.
            do throws(StreamRejection) { try receive(bytes, on: stream) } catch { stream.connection.close() }
        case .opened, .drained: break
        case .closed:
            inbound[id] = nil
            if let peer = stream.peer { onLoss(peer) }
        }
    }

    private func receive(_ bytes: [UInt8], on stream: Inbound) throws(StreamRejection) {
        let decided = try stream.channel.decide(
            bytes,
            stream: {
                var entropy = SodiumEntropy()
                return StreamChannel(responder: keys.current, entropy: &entropy)
            }, join: { joinDesk?.makeChannel() })
        guard let (channel, bytes) = decided else {
            if case .undecided(let earlier) = stream.channel { stream.channel = .undecided(earlier + bytes) }
            return
        }
        switch channel {
        case .undecided: break
        case .stream(var channel):
            // Taken out while it changes, so that nothing is copied.
            stream.channel = .undecided([])
            let output = try channel.receive(bytes)
            stream.channel = .stream(channel)
            if !output.reply.isEmpty, !stream.connection.write(output.reply) { return stream.connection.close() }
            guard let peer = channel.peer else { return }
            for message in output.plaintext {
                guard let first = message.first, let kind = FrameKind(rawValue: first) else { throw .unauthentic }
                onMessage(Array(message.dropFirst()), kind, peer)
            }
        case .join(var channel):
            let output = try channel.receive(bytes) { [joinDesk] in joinDesk?.secret(of: $0) }
            stream.channel = .join(channel)
            if !output.reply.isEmpty, !stream.connection.write(output.reply) { return stream.connection.close() }
            guard let message = output.plaintext.first else { return }
            guard !stream.isJoining, let joinDesk else { throw .unauthentic }
            stream.isJoining = true
            joinDesk.handle(message, on: channel) { [weak stream] answer in
                guard let stream, var channel = stream.join, let sealed = try? channel.seal(answer.encode()) else {
                    return
                }
                stream.channel = .join(channel)
                // The other side closes when it has read it.
                _ = stream.connection.write(sealed)
            }
        }
    }
}
