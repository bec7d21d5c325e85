import Foundation
import Logging
import NIOCore
import NIOPosix
import NodeCore
import UVLoop

/// The Unix socket on which an agent hears its own machine's command line: where it lies, whether an agent holds it, and
/// the steps of taking it. NIO removes it when the agent stops listening.
///
/// It belongs to the agent's user alone: its directory has mode 0700, it is made under umask 077 and then set to 0600,
/// and every connection's user is asked of the kernel besides (`LocalGate`). A name that an agent left behind when it was
/// killed is replaced; a name that is held by a living agent, or that is no socket, is left as it is.
package struct LocalSocket: Hashable, Sendable {
    package static let fileName = "agent.sock"
    /// What macOS's `sockaddr_un` has room for, less the closing zero byte; Linux's has four more (unix(7)), of which NIO
    /// makes no use.
    package static let pathBytesMax = 103

    package let path: String

    package init(path: String) { self.path = path }

    package init(directory: String) { self.init(path: directory + "/" + Self.fileName) }

    package init(_ config: NodeConfig) { self.init(directory: config.runtimeDirectory ?? config.dataDirectory) }

    package var fits: Bool { path.utf8.count <= Self.pathBytesMax }

    /// How the length is explained wherever it is too much.
    package var lengthProblem: String {
        "the socket's path \(path) has \(path.utf8.count) bytes, and at most \(Self.pathBytesMax) are possible"
    }

    package enum Occupant: Hashable, Sendable {
        case nobody
        /// Left behind: nobody listens any more.
        case stale
        case livingAgent
        /// A file, or a socket that cannot be asked; why.
        case unknown(String)
    }

    /// Who holds the name at this moment. Changes nothing.
    package func occupant() async -> Occupant {
        guard let status = try? FileStatus(path, followsLinks: false) else { return .nobody }
        guard status.kind == .socket else { return .unknown("it is no socket") }
        do {
            try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: path).get().close()
            return .livingAgent
        } catch let error as IOError where error.errnoCode == ECONNREFUSED {
            return .stale
        } catch let error as IOError where error.errnoCode == ENOENT {
            return .nobody
        } catch {
            return .unknown("\(error)")
        }
    }

    /// Whose socket it is; nil where there is none.
    package var owner: uid_t? { try? FileStatus(path, followsLinks: false).owner }

    /// Checks that the configured socket can be listened on, and frees its name where an agent left it behind. Nil where
    /// the data directory's path is too long for a socket: the node works without one, and its log says so.
    package static func claim(_ config: NodeConfig, logger: Logger) async throws(ConfigError) -> LocalSocket? {
        let socket = LocalSocket(config)
        if let directory = config.runtimeDirectory {
            let configuration = "configuration of \(config.name)"
            guard socket.fits else {
                throw ConfigError(
                    file: configuration, key: "runtime_dir", problem: socket.lengthProblem,
                    advice: "choose a shorter one")
            }
            try RuntimeDirectory.prepare(directory, configuration: configuration)
        } else if !socket.fits {
            logger.warning(
                "the command line cannot reach this node through a socket: \(socket.lengthProblem); set runtime_dir")
            return nil
        }
        try await socket.clear()
        return socket
    }

    /// Makes the name free, if it may be. Nothing is removed that could be in use.
    private func clear() async throws(ConfigError) {
        switch await occupant() {
        case .nobody: break
        case .stale: unlink(path)
        case .livingAgent:
            throw ConfigError(
                file: path, problem: "another agent listens there",
                advice: "stop that agent, or give each node a data_dir and runtime_dir of its own; nothing was started")
        case .unknown(let reason):
            throw ConfigError(
                file: path, problem: "cannot be used for the command line's socket: \(reason)",
                advice: "move it away; nothing was started")
        }
    }
}

/// The folder named by `runtime_dir`, where a node's socket lies if not with its data.
enum RuntimeDirectory {
    /// Makes it where it is missing. Refuses one that others own or may enter: they could put a socket of theirs there.
    static func prepare(_ path: String, configuration: String) throws(ConfigError) {
        try DataDirectory.makeDirectory(path)
        // Not what a link points to: whoever owns the link could point it elsewhere.
        let status = try? FileStatus(path, followsLinks: false)
        guard let status, status.isPrivate, status.owner == geteuid() else {
            throw ConfigError(
                file: configuration, key: "runtime_dir",
                problem: "\(path) has mode \(status?.octalMode ?? "unknown") "
                    + "and owner \(status.map { "\($0.owner)" } ?? "unknown")",
                advice: "give it to this agent's user alone ('chmod 700 \(path)')")
        }
    }
}
