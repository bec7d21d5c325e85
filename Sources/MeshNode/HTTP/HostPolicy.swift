import HTTPTypes
import NodeCore
import Primitives

/// Which names a request may call this node by. A page on the Internet can make a browser send requests to 127.0.0.1
/// under the page's own name (DNS rebinding); such a name is in no list, and is answered with 421.
///
/// Accepted: loopback names, IP addresses that this node listens on or advertises, and what the configuration names.
/// When listening on a wildcard, every IP address literal is accepted too: rebinding needs a name.
package struct HostPolicy: Sendable {
    private let names: Set<String>
    private let acceptsAddresses: Bool

    package init(_ config: NodeConfig.HTTP) {
        var names: Set<String> = ["localhost", "127.0.0.1", "[::1]"]
        for endpoint in [config.listen, config.advertised] {
            names.insert(endpoint.isIPv4 ? endpoint.host : "[\(endpoint.host)]")
        }
        names.formUnion(config.allowedHosts.map { $0.lowercased() })
        self.names = names
        acceptsAddresses = ["0.0.0.0", "::"].contains(config.listen.host)
    }

    /// `authority` is the `Host` field, or nil where a request had none.
    package func accepts(_ authority: String?) -> Bool {
        guard let authority, !authority.isEmpty else { return false }
        let name = Self.nameOnly(authority.lowercased())
        return names.contains(name) || acceptsAddresses && Endpoint(host: name, port: 0) != nil
    }

    /// Without the port, which is digits after the last colon outside brackets; IPv6 keeps its brackets. Anything else
    /// stays as it is, and is then no name of ours.
    private static func nameOnly(_ authority: String) -> String {
        let bytes = authority.utf8
        let end = bytes.lastIndex(of: UInt8(ascii: "]")).map { bytes.index(after: $0) } ?? bytes.startIndex
        guard let colon = bytes[end...].lastIndex(of: UInt8(ascii: ":")),
            bytes[bytes.index(after: colon)...].allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 })
        else { return authority }
        return String(authority[..<colon])
    }
}
