import NodeCore
import Primitives

/// Where a connection leads; connections are pooled by it.
package enum UpstreamTarget: Hashable, Sendable {
    /// A model server, plain or TLS.
    case backend(BackendAddress)
    /// Another agent's HTTP port, through a sealed stream.
    case peer(NodeID, Endpoint)
}

/// A backend's base URL, taken apart once.
package struct BackendAddress: Hashable, Sendable {
    package let host: String
    package let port: Int
    package let usesTLS: Bool
    /// In front of every path, without a slash at its end; usually empty.
    package let basePath: String
    /// A PEM file with the authority that must have signed its certificate; nil for the system's.
    package let authorityFile: String?

    /// Parses `http://127.0.0.1:11434` or `https://host/base`; nil for anything else, credentials included.
    package init?(url: String, authorityFile: String? = nil) {
        let usesTLS: Bool
        var rest: Substring
        if url.hasPrefix("http://") {
            (usesTLS, rest) = (false, url.dropFirst(7))
        } else if url.hasPrefix("https://") {
            (usesTLS, rest) = (true, url.dropFirst(8))
        } else {
            return nil
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        var path = rest[slash...]
        while path.hasSuffix("/") { path = path.dropLast() }
        rest = rest[..<slash]
        guard !rest.contains("@"), !path.contains("?"), !path.contains("#") else { return nil }
        var port = usesTLS ? 443 : 80
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
            guard let given = Int(rest[rest.index(after: colon)...]), (1...65_535).contains(given) else { return nil }
            port = given
            rest = rest[..<colon]
        }
        if rest.hasPrefix("["), rest.hasSuffix("]") { rest = rest.dropFirst().dropLast() }
        guard !rest.isEmpty else { return nil }
        host = String(rest)
        self.port = port
        self.usesTLS = usesTLS
        basePath = String(path)
        self.authorityFile = authorityFile
    }

    /// For the `Host` header.
    package var authority: String { (host.contains(":") ? "[\(host)]" : host) + ":\(port)" }
}
