import NIOCore
import NIOPosix

/// Asks the system for a loopback port that is free at this moment.
enum PortProbe {
    static func freePort() async throws -> Int {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = channel.localAddress?.port
        try await channel.close()
        guard let port else {
            throw DemoFailure("the system gave no loopback port; check that 127.0.0.1 is up")
        }
        return port
    }
}
