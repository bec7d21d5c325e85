import Foundation
import Logging
import MeshNode
import NodeCore
import Primitives
import ServiceLifecycle
import Testing

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// The socket as a file: where it may lie, what may be replaced, what is left behind.
@Suite("The local socket")
struct LocalSocketTests {
    @Test("it lies in the data directory, or in runtime_dir where that is set")
    func place() {
        var config = Self.config(data: "/var/lib/meshnode/aurora")
        #expect(LocalSocket(config).path == "/var/lib/meshnode/aurora/agent.sock")
        config.runtimeDirectory = "/run/meshnode"
        #expect(LocalSocket(config).path == "/run/meshnode/agent.sock")
    }

    @Test("a path that no socket can have is refused with its length, if runtime_dir names it")
    func longRuntimeDirectory() async throws {
        try await withFolder { folder in
            var config = Self.config(data: folder.path)
            config.runtimeDirectory = folder.path + "/" + String(repeating: "x", count: 100)
            let error = await #expect(throws: ConfigError.self) {
                _ = try await LocalSocket.claim(config, logger: Self.silent)
            }
            let text = "\(try #require(error))"
            let length = LocalSocket(config).path.utf8.count
            #expect(text.contains("runtime_dir") && text.contains("\(length) bytes"), "\(text)")
            #expect(!FileManager.default.fileExists(atPath: config.runtimeDirectory ?? ""))
        }
    }

    @Test("the longest path that fits is listened on; one byte more in the data directory, and the node goes without")
    func longDataDirectory() async throws {
        try await withFolder { folder in
            let room = LocalSocket.pathBytesMax - (folder.path.utf8.count + 1 + 1 + LocalSocket.fileName.utf8.count)
            let data = folder.path + "/" + String(repeating: "d", count: room)
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
            let longest = try #require(try await LocalSocket.claim(Self.config(data: data), logger: Self.silent))
            #expect(longest.path.utf8.count == LocalSocket.pathBytesMax)
            try await Self.listening(on: longest) {
                #expect(await longest.occupant() == .livingAgent)
            }
            #expect(try await LocalSocket.claim(Self.config(data: data + "d"), logger: Self.silent) == nil)
        }
    }

    @Test("a socket that nobody listens on any more is replaced")
    func stale() async throws {
        try await withFolder { folder in
            let socket = LocalSocket(directory: folder.path)
            try await Self.listening(on: socket) {}
            #expect(await socket.occupant() == .stale)
            let claimed = try await LocalSocket.claim(Self.config(data: folder.path), logger: Self.silent)
            #expect(claimed == socket)
            #expect(await socket.occupant() == .nobody)
        }
    }

    @Test("a socket that an agent listens on is refused and left alone")
    func living() async throws {
        try await withFolder { folder in
            let socket = LocalSocket(directory: folder.path)
            try await Self.listening(on: socket) {
                let error = await #expect(throws: ConfigError.self) {
                    _ = try await LocalSocket.claim(Self.config(data: folder.path), logger: Self.silent)
                }
                let text = "\(try #require(error))"
                #expect(text.contains("another agent listens there"), "\(text)")
                #expect(await socket.occupant() == .livingAgent)
            }
        }
    }

    @Test("a file of that name is refused and left alone")
    func file() async throws {
        try await withFolder { folder in
            let path = folder.path + "/" + LocalSocket.fileName
            try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
            let error = await #expect(throws: ConfigError.self) {
                _ = try await LocalSocket.claim(Self.config(data: folder.path), logger: Self.silent)
            }
            let text = "\(try #require(error))"
            #expect(text.contains("no socket"), "\(text)")
            #expect(FileManager.default.contents(atPath: path) == Data("mine".utf8))
        }
    }

    @Test("runtime_dir is made with mode 0700, and refused where others may enter")
    func looseRuntimeDirectory() async throws {
        try await withFolder { folder in
            var config = Self.config(data: folder.path)
            let runtime = folder.path + "/run"
            config.runtimeDirectory = runtime
            _ = try await LocalSocket.claim(config, logger: Self.silent)
            let made = try FileManager.default.attributesOfItem(atPath: runtime)
            #expect(made[.posixPermissions] as? Int == 0o700)
            chmod(runtime, 0o750)
            let error = await #expect(throws: ConfigError.self) {
                _ = try await LocalSocket.claim(config, logger: Self.silent)
            }
            let text = "\(try #require(error))"
            #expect(text.contains("mode 750"), "\(text)")
        }
    }

    @Test("it has mode 0600 while it is served, whatever the umask, and is gone afterwards")
    func served() async throws {
        try await LocalNode.run { node in
            let attributes = try FileManager.default.attributesOfItem(atPath: node.socket.path)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(attributes[.type] as? FileAttributeType == .typeSocket)
            await node.stop()
            #expect(await node.socket.occupant() == .nobody)
        }
    }

    private static var silent: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    private static func config(data: String) -> NodeConfig {
        let anywhere = Endpoint(ipv4: 127, 0, 0, 1, port: 0)
        return NodeConfig(
            name: "aurora", dataDirectory: data, secretsFile: "/nonexistent", mesh: .init(listen: anywhere),
            http: .init(listen: anywhere))
    }

    /// Somebody listens there while `body` runs, and leaves the file behind, as an agent that is killed does.
    private static func listening(on socket: LocalSocket, _ body: () async throws -> Void) async throws {
        #if canImport(Darwin)
            let listener = Darwin.socket(AF_UNIX, SOCK_STREAM, 0)
        #else
            let listener = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        #endif
        defer { close(listener) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socket.path.utf8) }
        let isBound = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        try #require(isBound && listen(listener, 4) == 0)
        try await body()
    }
}

/// `TestNode` with its local socket served, in a folder of its own.
struct LocalNode: Sendable {
    let node: TestNode
    let socket: LocalSocket
    private let group: ServiceGroup
    private let running: Task<Void, any Error>

    static func run(
        trustClass: TrustClass = .core, owner: uid_t = geteuid(), _ body: @Sendable (LocalNode) async throws -> Void
    ) async throws {
        try await TestNode.run { node in
            try await withFolder { folder in
                var config = node.service.surface.config
                config.trustClass = trustClass
                config.runtimeDirectory = folder.path + "/run"
                var logger = Logger(label: "test")
                logger.logLevel = .critical
                let socket = try #require(try await LocalSocket.claim(config, logger: logger))
                let (starts, announce) = AsyncStream<Void>.makeStream()
                let service = LocalService(
                    socket, config: config, surface: node.service.surface, owner: owner, logger: logger,
                    onRunning: { announce.yield() })
                let group = ServiceGroup(services: [service], logger: logger)
                let running = Task { try await group.run() }
                for await _ in starts { break }
                let local = LocalNode(node: node, socket: socket, group: group, running: running)
                do { try await body(local) } catch {
                    await local.stop()
                    throw error
                }
                await local.stop()
            }
        }
    }

    /// As a signal would.
    func stop() async {
        await group.triggerGracefulShutdown()
        _ = try? await running.value
    }

    func send(_ method: String, _ path: String, _ json: String? = nil) async throws -> NodeClient.Reply {
        let host = socket.path.replacingOccurrences(of: "/", with: "%2F")
        return try await NodeClient(name: "aurora", base: "http+unix://\(host)").send(
            method, path, body: json.map { Data($0.utf8) }, fields: ["Host": "localhost"])
    }
}
