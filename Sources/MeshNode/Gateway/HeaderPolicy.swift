import HTTPTypes
import NIOHTTP1

/// Which headers cross the gateway. Nothing is forwarded because it was sent: each side's headers are written anew from
/// the little that the other may know.
package enum HeaderPolicy {
    package static let meshNode = HTTPField.Name("X-Mesh-Node")!
    package static let meshDecision = HTTPField.Name("X-Mesh-Decision")!
    /// On sealed streams only: the target had no room, and nothing was started.
    package static let meshBounce = HTTPField.Name("X-Mesh-Bounce")!
    /// The edge node that passed a client's request on: written where a sealed stream ends, by nobody else.
    package static let via = HTTPField.Name("X-Mesh-Via")!
    /// On sealed streams only.
    package static let delegation = HTTPField.Name("X-Mesh-Delegation")!

    /// Why a request is refused for its framing, or nil. Two readers of a connection must never disagree about where a
    /// request ends (RFC 9112 §6.3, §11.2), nor may it turn into another protocol under way.
    package static func framingFault(_ fields: HTTPFields) -> String? {
        let lengths = fields[values: .contentLength]
        let codings = fields[values: .transferEncoding]
        if lengths.count > 1 { return "more than one Content-Length" }
        if !lengths.isEmpty, !codings.isEmpty { return "both Content-Length and Transfer-Encoding" }
        if codings.count > 1 || codings.contains(where: { !$0.isASCIIEqual(to: "chunked") }) {
            return "a Transfer-Encoding other than chunked"
        }
        if let length = lengths.first, length.isEmpty || !length.utf8.allSatisfy({ (48...57).contains($0) }) {
            return "a Content-Length that is not a number"
        }
        if fields[.upgrade] != nil { return "an Upgrade, which is not served here" }
        return nil
    }

    /// Drops what only agents may say to each other.
    package static func stripMesh(_ fields: HTTPFields) -> HTTPFields {
        var kept = HTTPFields()
        for field in fields where !field.name.canonicalName.hasPrefix("x-mesh-") { kept.append(field) }
        return kept
    }

    /// Everything a backend is told: where, what and how long. Credentials, cookies, the client's host are not in it.
    package static func backendHeaders(host: String, bodyBytes: Int, key: String?) -> HTTPHeaders {
        var headers = HTTPHeaders()
        headers.reserveCapacity(6)
        headers.add(name: "Host", value: host)
        headers.add(name: "Content-Type", value: "application/json")
        headers.add(name: "Content-Length", value: String(bodyBytes))
        headers.add(name: "Accept", value: "application/json, application/x-ndjson, text/event-stream")
        headers.add(name: "User-Agent", value: "meshnode")
        if let key { headers.add(name: "Authorization", value: "Bearer \(key)") }
        return headers
    }

    /// What another agent is told; the delegation says who asks.
    package static func peerHeaders(bodyBytes: Int, delegation: String) -> HTTPHeaders {
        var headers = HTTPHeaders()
        headers.reserveCapacity(4)
        headers.add(name: "Host", value: "mesh")
        headers.add(name: "Content-Type", value: "application/json")
        headers.add(name: "Content-Length", value: String(bodyBytes))
        headers.add(name: "X-Mesh-Delegation", value: delegation)
        return headers
    }

    /// What a core node is told of a request that an edge node passes on: its client's own credential, name and conditions,
    /// nothing else.
    package static func passedOnHeaders(host: String, bodyBytes: Int, from client: HTTPFields) -> HTTPHeaders {
        var headers = HTTPHeaders()
        headers.add(name: "Host", value: host)
        headers.add(name: "Content-Type", value: "application/json")
        headers.add(name: "Content-Length", value: String(bodyBytes))
        if let name = client[.userAgent] { headers.add(name: "User-Agent", value: name) }
        if let credential = client[.authorization] { headers.add(name: "Authorization", value: credential) }
        if let tag = client[.ifMatch] { headers.add(name: "If-Match", value: tag) }
        if let tag = client[.ifNoneMatch] { headers.add(name: "If-None-Match", value: tag) }
        return headers
    }

    /// The type is the dialect's, whatever a backend claims: a browser must never run what a model wrote.
    package static func contentType(_ dialect: Dialect, isStreaming: Bool) -> String {
        switch (dialect, isStreaming) {
        case (.ollama, true): "application/x-ndjson"
        case (.openai, true): "text/event-stream"
        case (_, false): "application/json"
        }
    }
}

extension String {
    /// Equal but for the case of ASCII letters; no locale.
    package func isASCIIEqual(to other: String) -> Bool {
        utf8.count == other.utf8.count
            && zip(utf8, other.utf8).allSatisfy { a, b in
                a == b || (a | 0x20 == b | 0x20 && (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(a | 0x20))
            }
    }
}
