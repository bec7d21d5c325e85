import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import NodeCore
import ServiceLifecycle

/// The local socket as a service: the same routes as on the HTTP port, for the agent's own user (`LocalDoor`).
package struct LocalService: Service {
    package let socket: LocalSocket
    private let application: Application<Responder>

    /// Beyond this many connections new ones wait to be accepted.
    private static let connectionCountMax = 256

    /// - Parameters:
    ///   - socket: what `LocalSocket.claim` returned.
    ///   - owner: whom it serves, the agent's own user.
    package init(
        _ socket: LocalSocket, config: NodeConfig, surface: HTTPSurface, owner: uid_t = geteuid(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger,
        onRunning: @escaping @Sendable () async -> Void = {}
    ) {
        self.socket = socket
        let server = HTTPServerBuilder.http1(
            configuration: .init(
                additionalChannelHandlers: [LocalGate(owner: owner, logger: logger), ConnectionGuard(networks: nil)]))
        application = Application(
            responder: Responder(surface: surface, door: LocalDoor(config)), server: server,
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: socket.path),
                availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionCountMax)),
            onServerRunning: { _ in
                // For its owner only, whatever the umask was.
                chmod(socket.path, 0o600)
                await onRunning()
            },
            eventLoopGroupProvider: .shared(group), logger: logger)
    }

    package func run() async throws {
        try await application.run()
    }
}
