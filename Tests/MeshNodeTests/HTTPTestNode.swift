import Authority
import Foundation
import Logging
import MeshNode
import NIOCore
import NIOPosix
import NodeCore
import Primitives
import SecureChannel
import ServiceLifecycle
import Synchronization
import Testing

/// A node's real HTTP side on a loopback port, over a `LocalCore` with two users: ada (admin) and bob (user).
struct TestNode: Sendable {
    let core: LocalCore
    let secrets: NodeSecrets
    let identity: Identity
    let dataKeys: SharedDataKeys?
    let service: HTTPService
    /// Stops the service as a signal would.
    let group: ServiceGroup
    let port: Int

    static let adaPassword = "correct horse"
    static let bobPassword = "battery staple"

    /// Starts a node, runs the test, stops the node.
    static func run(
        limits: NodeConfig.Limits = .init(), tls: TestFolder? = nil, hooks: GatewayHooks = .none,
        files: [String: String] = ["index.html": "<!doctype html>"], dataKeys: DataKeys? = nil, keptAt: String? = nil,
        _ body: (TestNode) async throws -> Void
    ) async throws {
        var entropy = SodiumEntropy()
        let identity = Identity.generate(from: &entropy)
        let core = LocalCore(me: identity.nodeID)
        for (name, password, role) in [("ada", adaPassword, Role.admin), ("bob", bobPassword, Role.user)] {
            let verifier = try #require(PasswordChecker.makeVerifier(password, limits: .minimal))
            core.apply(.createUser(name: UserName(name)!, verifier: verifier, role: role))
        }
        var http = NodeConfig.HTTP(listen: Endpoint(ipv4: 127, 0, 0, 1, port: 0))
        http.allowedHosts = ["mesh.example"]
        http.certificateFile = tls?.url.appendingPathComponent("cert.pem").path
        http.privateKeyFile = tls?.url.appendingPathComponent("key.pem").path
        var config = NodeConfig(
            name: "aurora", dataDirectory: "/nonexistent", secretsFile: "/nonexistent",
            mesh: .init(listen: Endpoint(ipv4: 127, 0, 0, 1, port: 0)), http: http)
        config.limits = limits
        let (ports, announce) = AsyncStream<Int>.makeStream()
        let shared = dataKeys.map { SharedDataKeys($0, of: identity, path: keptAt) }
        let secrets = NodeSecrets(identity, dataKeys: shared)
        let folder = try TestFolder(files)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let service = try HTTPService.make(
            config: config, core: core, secrets: secrets, files: InterfaceFiles(folder: folder.url.path), hooks: hooks,
            passwordLimits: .minimal, logger: logger, onRunning: { announce.yield($0) })
        let group = ServiceGroup(services: [service], logger: logger)
        let running = Task { try await group.run() }
        defer { running.cancel() }
        for await port in ports {
            try await body(
                TestNode(
                    core: core, secrets: secrets, identity: identity, dataKeys: shared, service: service, group: group,
                    port: port))
            break
        }
    }

    /// Another service over the same core, made but not run.
    func makeSecond(_ http: NodeConfig.HTTP) async throws(StartFailure) -> HTTPService {
        var config = service.surface.config
        config.http = http
        return try HTTPService.make(
            config: config, core: core, secrets: secrets, files: service.surface.files, passwordLimits: .minimal,
            logger: Logger(label: "second"))
    }

    /// Sends one request on a connection of its own. `target` goes out as it is.
    func send(
        _ method: String, _ target: String, _ fields: [String: String] = [:], body: String? = nil,
        until: (@Sendable (String) -> Bool)? = nil
    ) async throws -> Reply {
        var fields = fields
        fields["Host"] = fields["Host"] ?? "127.0.0.1:\(port)"
        fields["Connection"] = "close"
        if let body { fields["Content-Length"] = fields["Content-Length"] ?? String(body.utf8.count) }
        let head = "\(method) \(target) HTTP/1.1\r\n" + fields.map { "\($0): \($1)\r\n" }.joined() + "\r\n"
        return Reply(try await exchange(head + (body ?? ""), until: until))
    }

    /// Sends these bytes and nothing else.
    func sendRaw(_ text: String) async throws -> Reply { Reply(try await exchange(text, until: nil)) }

    /// Writes text, and reads until the server closes or `until` is content.
    private func exchange(_ text: String, until: (@Sendable (String) -> Bool)?) async throws -> String {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            var received = ByteBuffer()
            do {
                for try await part in inbound {
                    received.writeImmutableBuffer(part)
                    if let until, until(String(buffer: received)) { break }
                }
            } catch let error as IOError where error.errnoCode == ECONNRESET {
                // The server closed while we were still writing; what it said before counts.
            }
            return String(buffer: received)
        }
    }

    func post(_ target: String, _ json: String, _ fields: [String: String] = [:]) async throws -> Reply {
        try await send("POST", target, fields, body: json)
    }

    func get(_ target: String, _ fields: [String: String] = [:]) async throws -> Reply {
        try await send("GET", target, fields)
    }

    func login(_ user: String = "ada", _ password: String = adaPassword, _ fields: [String: String] = [:]) async throws
        -> Reply
    {
        try await post("/mesh/v1/auth/login", #"{"username":"\#(user)","password":"\#(password)"}"#, fields)
    }

    /// The fields of a signed-in request.
    func bearer(_ user: String = "ada", _ password: String = adaPassword) async throws -> [String: String] {
        let token = try #require(try await login(user, password).json["access_token"] as? String)
        return ["Authorization": "Bearer \(token)"]
    }
}

/// One response, as far as tests look at it.
struct Reply {
    let status: Int
    /// By lower-case name; the last of a name.
    let fields: [String: String]
    let body: String

    init(_ text: String) {
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        let lines = parts[0].components(separatedBy: "\r\n")
        status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let pair = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            if pair.count == 2 { fields[pair[0].lowercased()] = pair[1] }
        }
        self.fields = fields
        body = parts.count == 2 ? String(parts[1]) : ""
    }

    var json: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(body.utf8))) as? [String: Any] ?? [:]
    }

    /// The last part of a problem's `type`.
    var problem: String? {
        guard fields["content-type"] == "application/problem+json", json["status"] as? Int == status,
            json["title"] is String, (json["detail"] as? String)?.isEmpty == false
        else { return nil }
        return (json["type"] as? String)?.split(separator: ":").last.map(String.init)
    }
}

/// A folder of small files that is removed when it is forgotten.
final class TestFolder: Sendable {
    let url: URL

    init(_ files: [String: String]) throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("meshnode-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        for (name, text) in files { try Data(text.utf8).write(to: url.appendingPathComponent(name)) }
    }

    deinit { try? FileManager.default.removeItem(at: url) }
}
