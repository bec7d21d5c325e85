import NIOCore
import NIOPosix
import Primitives

/// Asks the system about TCP ports at this moment; somebody else may take one right after.
enum PortProbe {
    /// Throws what binding throws if the address cannot be listened on.
    static func check(_ endpoint: Endpoint) async throws {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .bind(host: endpoint.host, port: Int(endpoint.port)).get()
        try await channel.close()
    }

    /// A loopback port that is free.
    static func freePort() async throws -> Int {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = channel.localAddress?.port
        try await channel.close()
        guard let port else {
            throw ConfigError(
                file: "127.0.0.1", problem: "has no free port", advice: "check that the loopback interface is up")
        }
        return port
    }
}
