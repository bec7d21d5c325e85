import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NodeCore
import Primitives
import SecureChannel
import ServiceLifecycle

/// A node's HTTP side as one service: Hummingbird over the route table, with the gateway's handlers ahead of it.
///
/// ```
///   bytes -> [gateway's first-bytes sniffer] -> [TLS] -> HTTP/1 codec -> ConnectionGuard -> gateway -> ValueHandler
///         -> Responder
/// ```
/// `run` returns after a graceful shutdown, when requests under way have been answered.
package struct HTTPService: Service {
    package let surface: HTTPSurface
    private let application: Application<Responder>

    /// Checks everything that can be checked before listening.
    /// - Parameters:
    ///   - files: the interface's folder; looked up beside the binary by default.
    ///   - departure: what a local `leave` ends the agent with.
    ///   - onRunning: told the port, once connections are accepted.
    package static func make(
        config: NodeConfig, core: any MeshCore, secrets: NodeSecrets, files: InterfaceFiles,
        hooks: GatewayHooks = .none,
        passwordLimits: PasswordHash.Limits = .standard, departure: Departure = Departure(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger,
        onRunning: @escaping @Sendable (Int) async -> Void = { _ in }
    ) throws(StartFailure) -> HTTPService {
        try checkListener(config.http)
        let surface = try HTTPSurface(
            config: config, core: core, secrets: secrets, files: files, hooks: hooks, passwordLimits: passwordLimits,
            departure: departure)
        let gateway = hooks.handlers(surface)
        let server = try hooks.wrapServer(builder(config.http) { gateway() + [ValueHandler(surface: surface)] })
        let application = Application(
            responder: Responder(surface: surface), server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(config.http.listen.host, port: Int(config.http.listen.port)),
                availableConnectionsDelegate: MaximumAvailableConnections(connectionCountMax)),
            onServerRunning: { await onRunning($0.localAddress?.port ?? Int(config.http.listen.port)) },
            eventLoopGroupProvider: .shared(group), logger: logger)
        return HTTPService(surface: surface, application: application)
    }

    package func run() async throws {
        do { try await application.run() } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw StartFailure(PortHolder.explain(surface.config.http.listen))
        } catch let error as IOError {
            throw StartFailure("cannot listen on http \(surface.config.http.listen): \(error)")
        }
    }

    /// Beyond this many connections new ones wait to be accepted.
    private static let connectionCountMax = 8192

    /// What can be wrong with the files that the configuration names; listens nowhere.
    static func check(_ http: NodeConfig.HTTP) throws(StartFailure) {
        try checkListener(http)
        guard let tls = try makeTLS(http) else { return }
        // Whether key and certificate belong together, the library says only here.
        do { _ = try NIOSSLContext(configuration: tls) } catch { throw unusable(http, error) }
    }

    /// Plain HTTP beyond loopback would show passwords and tokens to the network: it must be asked for, by network.
    private static func checkListener(_ http: NodeConfig.HTTP) throws(StartFailure) {
        guard (http.certificateFile == nil) == (http.privateKeyFile == nil) else {
            throw StartFailure("http.tls_certificate and http.tls_private_key belong together: set both or neither")
        }
        guard http.listen.isLoopback || http.certificateFile != nil || !http.plainNetworks.isEmpty else {
            throw StartFailure(
                "http.listen is \(http.listen), which is not loopback: set http.tls_certificate and http.tls_private_key, or name "
                    + "the networks where plain HTTP is accepted in http.plain_networks")
        }
    }

    private static func builder(
        _ http: NodeConfig.HTTP, _ handlers: @escaping @Sendable () -> [any RemovableChannelHandler]
    ) throws(StartFailure) -> HTTPServerBuilder {
        let isTLS = http.certificateFile != nil
        let networks = isTLS ? nil : http.plainNetworks + [.loopbackIPv4, .loopbackIPv6]
        // Hummingbird's own idle timeout does not see the gateway's requests and would cut their streams.
        let plain = HTTPServerBuilder.http1(
            configuration: .init(additionalChannelHandlers: [ConnectionGuard(networks: networks)] + handlers()))
        guard let tls = try makeTLS(http) else { return plain }
        do { return try .tls(plain, tlsConfiguration: tls) } catch { throw unusable(http, error) }
    }

    /// Nil where plain HTTP is served.
    private static func makeTLS(_ http: NodeConfig.HTTP) throws(StartFailure) -> TLSConfiguration? {
        guard let certificateFile = http.certificateFile, let keyFile = http.privateKeyFile else { return nil }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(certificateFile).map {
                NIOSSLCertificateSource.certificate($0)
            }
            let key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
            var tls = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key))
            tls.minimumTLSVersion = .tlsv12
            return tls
        } catch { throw unusable(http, error) }
    }

    private static func unusable(_ http: NodeConfig.HTTP, _ error: any Error) -> StartFailure {
        StartFailure(
            "http.tls_certificate \(http.certificateFile ?? "") cannot be used with http.tls_private_key "
                + "\(http.privateKeyFile ?? ""): \(error). Both must be PEM files, and belong together")
    }
}

/// What the gateway adds to the HTTP side.
package struct GatewayHooks: Sendable {
    /// Makes the handlers of one connection: they see the HTTP parts before Hummingbird does.
    package var handlers: @Sendable (HTTPSurface) -> @Sendable () -> [any RemovableChannelHandler]
    /// Wraps the whole server, to look at a connection's first bytes.
    package var wrapServer: @Sendable (HTTPServerBuilder) -> HTTPServerBuilder
    package var explain: RouteExplainer?
    package var askPeer: PeerAsker?
    /// Where the gateway announces what it routed.
    package var routeEvents: RouteEventHub
    /// Figures for `/metrics`, in Prometheus' text format.
    package var metrics: @Sendable () -> String

    package init(
        handlers: @escaping @Sendable (HTTPSurface) -> @Sendable () -> [any RemovableChannelHandler],
        wrapServer: @escaping @Sendable (HTTPServerBuilder) -> HTTPServerBuilder = { $0 },
        explain: RouteExplainer? = nil, askPeer: PeerAsker? = nil, routeEvents: RouteEventHub = RouteEventHub(),
        metrics: @escaping @Sendable () -> String = { "" }
    ) {
        self.handlers = handlers
        self.wrapServer = wrapServer
        self.explain = explain
        self.askPeer = askPeer
        self.routeEvents = routeEvents
        self.metrics = metrics
    }

    package static var none: GatewayHooks { GatewayHooks(handlers: { _ in { [] } }) }
}
