import Foundation
import NodeCore
import Primitives

/// Where a command finds its agent.
enum AgentPlace {
    case socket(LocalSocket)
    case address(String)
}

/// Finds the agent that a command means: the one it names, else the one the environment names, else one that runs here.
struct AgentLocator {
    /// Where configurations usually lie; of these, agents that run as this user are found.
    static let folders = ["demo-data/configs", "configs", "/etc/meshnode"]
    static let defaultAddress = "http://127.0.0.1:3000"

    /// Of the environment, without the line's end that a file leaves; an empty one is none.
    static var token: String? {
        let text = ProcessInfo.processInfo.environment["MESHNODE_TOKEN"] ?? ""
        let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
        return token.isEmpty ? nil : token
    }

    private let local: LocalAgentOptions
    private let url: String?
    private let user: String?
    /// Standard error is for programs too: no remarks there.
    private let json: Bool
    private let environment = ProcessInfo.processInfo.environment

    init(_ local: LocalAgentOptions, url: String?, user: String?, json: Bool) {
        self.local = local
        self.url = url
        self.user = user
        self.json = json
    }

    func locate() async throws -> AgentPlace {
        if let url { return try address(url) }
        if let path = local.socket { return try socket(LocalSocket(path: absolute(path))) }
        if let folder = local.dir { return try socket(LocalSocket(directory: absolute(folder))) }
        if let file = local.config { return try agent(of: file) }
        if let file = environment["MESHNODE_CONFIG"] { return try agent(of: file) }
        if let url = environment["MESHNODE_URL"] { return try address(url) }
        if user != nil || Self.token != nil { return .address(Self.defaultAddress) }
        return .socket(try await anyRunning())
    }

    /// For what an address cannot ask for. Never one of several, unless it is named.
    func locateSocket() async throws -> LocalSocket {
        if local.isEmpty, environment["MESHNODE_CONFIG"] == nil {
            let found = try await running()
            guard found.count == 1 else {
                let files = found.map(\.file).joined(separator: ", ")
                throw UsageError("several agents run here; name one with --config: \(files)")
            }
            return found[0].socket
        }
        guard case .socket(let socket) = try await locate() else {
            throw UsageError("this goes only through the agent's local socket: give --config, --dir or --socket")
        }
        return socket
    }

    private func address(_ text: String) throws -> AgentPlace {
        var text = text
        while text.hasSuffix("/") { text.removeLast() }
        guard let url = URL(string: text), ["http", "https"].contains(url.scheme), url.host != nil, url.path.isEmpty,
            (1...65535).contains(url.port ?? 80)
        else {
            throw UsageError("'\(text)' is no address of an agent: write it like \(Self.defaultAddress)")
        }
        return .address(text)
    }

    private func agent(of file: String) throws -> AgentPlace {
        let config = try ConfigFile.load(file)
        guard user != nil else { return try socket(LocalSocket(config), configuration: file) }
        var host = config.http.listen.host
        if ["0.0.0.0", "::"].contains(host) { host = host == "::" ? "::1" : "127.0.0.1" }
        if host.contains(":") { host = "[\(host)]" }
        let scheme = config.http.certificateFile == nil ? "http" : "https"
        return .address("\(scheme)://\(host):\(config.http.listen.port)")
    }

    /// Only where the socket is this user's own: what is sent there must not reach somebody else.
    private func socket(_ socket: LocalSocket, configuration: String? = nil) throws -> AgentPlace {
        guard socket.fits else {
            throw MeshClient.Unreachable(
                "\(socket.lengthProblem): set runtime_dir in the node's configuration to a shorter one")
        }
        guard let owner = socket.owner else {
            let file = configuration ?? "FILE"
            throw MeshClient.Unreachable(
                "no agent listens at \(socket.path): start it with 'meshnode run --config \(file)', or name another one"
            )
        }
        guard owner == geteuid() else {
            throw MeshClient.Unreachable(
                "the agent at \(socket.path) runs as user \(owner): run this as that user, or sign in with --url and --user"
            )
        }
        return .socket(socket)
    }

    /// At least one.
    private func running() async throws -> [(socket: LocalSocket, file: String)] {
        var found: [(socket: LocalSocket, file: String)] = []
        for folder in Self.folders {
            let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
            for name in names where name.hasSuffix(".yaml") && !name.contains("secret") {
                guard let config = try? ConfigFile.load("\(folder)/\(name)") else { continue }
                let socket = LocalSocket(config)
                guard !found.contains(where: { $0.socket == socket }), socket.owner == geteuid(),
                    await socket.occupant() == .livingAgent
                else { continue }
                found.append((socket, "\(folder)/\(name)"))
            }
        }
        guard !found.isEmpty else {
            throw MeshClient.Unreachable(
                "no running agent of yours in \(Self.folders.joined(separator: ", ")): name one with --config, --dir, --socket "
                    + "or --url, or in MESHNODE_CONFIG")
        }
        return found
    }

    /// The first of them; a remark says which, where there are several.
    private func anyRunning() async throws -> LocalSocket {
        let found = try await running()
        if found.count > 1, !json {
            FileHandle.standardError.write(
                Data("meshnode: \(found.count) agents run here; asking --config \(found[0].file)\n".utf8))
        }
        return found[0].socket
    }

    private func absolute(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }
}
