import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Primitives

/// The upstream connections of one event loop, kept alive between requests. A client's channel uses the pool of its own
/// loop, so a chunk crosses no thread on its way.
///
/// Bounded per target: `connectionsMax` open at once (beyond it a request fails as `exhausted` and another node is
/// tried), `idleMax` kept.
final class UpstreamPool {
    static let connectionsMax = 512
    static let idleMax = 32
    /// Less than the minute after which common servers drop an idle connection.
    static let idleTimeout: TimeAmount = .seconds(20)
    /// Loopback and LAN answer in a millisecond; a packet lost on a wide network costs one second more.
    static let connectTimeout: TimeAmount = .milliseconds(1500)

    let loop: any EventLoop
    private let sealing: any PeerSealing
    private var idle: [UpstreamTarget: [UpstreamConnection]] = [:]
    private var openCount: [UpstreamTarget: Int] = [:]
    private var sweep: Ticker?
    private var isClosed = false
    /// By the authority's file, or "" for the system's.
    private var tlsContexts: [String: NIOSSLContext] = [:]

    init(loop: any EventLoop, sealing: any PeerSealing) {
        self.loop = loop
        self.sealing = sealing
    }

    /// Starts an exchange. The receiver hears of everything that follows, a failure to connect included.
    /// - Parameter fresh: do not use a kept connection, because one just failed.
    func start(
        _ target: UpstreamTarget, _ head: HTTPRequestHead, body: ByteBuffer, fresh: Bool,
        receiver: any UpstreamReceiver
    ) -> UpstreamExchange {
        loop.preconditionInEventLoop()
        let exchange = UpstreamExchange()
        while !fresh, let connection = idle[target]?.popLast() {
            guard connection.isUsable else { continue }
            exchange.begin(on: connection, head, body: body, receiver: receiver)
            return exchange
        }
        guard openCount[target, default: 0] < Self.connectionsMax, !isClosed else {
            // Not from inside the call: the caller has yet to store the exchange.
            loop.assumeIsolated().execute { if !exchange.isCancelled { receiver.upstreamFailed(.exhausted) } }
            return exchange
        }
        openCount[target, default: 0] += 1
        connect(target).whenComplete { result in
            switch result {
            case .success(let connection):
                guard !exchange.isCancelled else { return connection.close() }
                exchange.begin(on: connection, head, body: body, receiver: receiver)
            case .failure(let error):
                self.release(target)
                if !exchange.isCancelled { receiver.upstreamFailed(.cannotConnect("\(error)")) }
            }
        }
        return exchange
    }

    /// Takes back a connection whose exchange ended well.
    func keep(_ connection: UpstreamConnection) {
        guard !isClosed, idle[connection.target, default: []].count < Self.idleMax else { return connection.close() }
        idle[connection.target, default: []].append(connection)
        if sweep == nil {
            sweep = Ticker(loop, after: Self.idleTimeout, every: Self.idleTimeout) { [weak self] in self?.dropIdle() }
        }
    }

    /// A connection is closing, whatever the reason.
    func forget(_ connection: UpstreamConnection) {
        idle[connection.target]?.removeAll { $0 === connection }
        release(connection.target)
    }

    func close() {
        isClosed = true
        sweep?.cancel()
        sweep = nil
        for connection in idle.values.joined() { connection.close() }
        idle.removeAll()
    }

    private func release(_ target: UpstreamTarget) {
        let left = openCount[target, default: 0] - 1
        precondition(left >= 0, "more connections to \(target) closed than were opened")
        openCount[target] = left == 0 ? nil : left
    }

    private func dropIdle() {
        let limit = NIODeadline.now() - Self.idleTimeout
        for connection in idle.values.flatMap({ $0 }) where connection.idleSince < limit { connection.close() }
        idle = idle.filter { !$0.value.isEmpty }
        if idle.isEmpty {
            sweep?.cancel()
            sweep = nil
        }
    }

    private func connect(_ target: UpstreamTarget) -> EventLoopFuture<UpstreamConnection>.Isolated {
        let bound = NIOLoopBound(self, eventLoop: loop)
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(Self.connectTimeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try bound.value.configure(channel, for: target) }
            }
        let connecting =
            switch target {
            case .backend(let address): bootstrap.connect(host: address.host, port: address.port)
            case .peer(_, let endpoint): bootstrap.connect(host: endpoint.host, port: Int(endpoint.port))
            }
        return connecting.assumeIsolated().flatMapThrowing { channel in
            try channel.pipeline.syncOperations.handler(type: UpstreamConnection.self)
        }
    }

    /// Made once: a context is costly, and its file was read at the start already.
    private func tlsContext(for address: BackendAddress) throws -> NIOSSLContext {
        if let known = tlsContexts[address.authorityFile ?? ""] { return known }
        let context = try NIOSSLContext(configuration: address.makeTLSConfiguration())
        tlsContexts[address.authorityFile ?? ""] = context
        return context
    }

    private func configure(_ channel: any Channel, for target: UpstreamTarget) throws {
        let pipeline = channel.pipeline.syncOperations
        switch target {
        case .backend(let address) where address.usesTLS:
            let context = try tlsContext(for: address)
            // A name is checked against the certificate; an address is sent no name (RFC 6066 §3).
            let name = Endpoint(host: address.host, port: 0) == nil ? address.host : nil
            try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: name))
        case .backend: break
        case .peer(let node, _): try pipeline.addHandler(PeerStream(initiatorTo: node, sealing: sealing))
        }
        try pipeline.addHandler(HTTPRequestEncoder())
        try pipeline.addHandler(
            ByteToMessageHandler(
                HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .forward)))
        try pipeline.addHandler(UpstreamConnection(target: target, pool: self))
    }
}

extension BackendAddress {
    /// Reads the authority's file, if one is named.
    func makeTLSConfiguration() throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let authorityFile {
            configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(authorityFile))
        }
        return configuration
    }
}

/// One request under way upstream, from before it has a connection until its end.
final class UpstreamExchange: UpstreamHandle {
    private var connection: UpstreamConnection?
    private var number = 0
    private(set) var isCancelled = false

    fileprivate func begin(
        on connection: UpstreamConnection, _ head: HTTPRequestHead, body: ByteBuffer, receiver: any UpstreamReceiver
    ) {
        self.connection = connection
        number = connection.send(head, body: body, to: receiver)
    }

    /// Closes the connection that carries it, or the one that is being made for it.
    func cancel() {
        isCancelled = true
        connection?.cancel(exchange: number)
        connection = nil
    }

    func setPaused(_ paused: Bool) { connection?.setPaused(paused, exchange: number) }
}
