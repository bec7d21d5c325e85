import Authority
import HTTPTypes

/// Who may use a path.
package enum AccessRule: Hashable, Sendable {
    case anonymous
    /// `Authorization: Bearer` alone, an access token or an API key; a cookie never counts.
    case bearer(Role)
    /// A bearer, or a browser's cookie with its header secret.
    case signedIn(Role)
}

/// One row of the table: a method, a path pattern, who may use it, and what it does.
///
/// A pattern's segment is literal, or `{name}` for exactly one segment, or `{name...}` for all that follow (at least
/// one), joined by slashes.
package struct RouteEntry: Sendable {
    private enum Part: Sendable {
        case literal(String)
        case one
        case rest
    }

    package let method: HTTPRequest.Method
    package let pattern: [String]
    private let parts: [Part]
    package let access: AccessRule
    package let operation: Operation

    package init(_ method: HTTPRequest.Method, _ pattern: String, _ access: AccessRule, _ operation: Operation) {
        self.method = method
        self.pattern = pattern.split(separator: "/").map(String.init)
        parts = self.pattern.map { part in
            part.hasSuffix("...}") ? .rest : part.hasPrefix("{") ? .one : .literal(part)
        }
        self.access = access
        self.operation = operation
    }

    /// The value that the pattern's only parameter took: nil if the path does not fit, empty where it has none.
    func match(_ path: RequestPath) -> String? {
        var parameter = ""
        for (index, part) in parts.enumerated() {
            guard index < path.segments.count else { return nil }
            switch part {
            case .literal(let text): guard text == path.segments[index] else { return nil }
            case .one: parameter = path.segments[index]
            case .rest: return path.remainder(from: index)
            }
        }
        return parts.count == path.segments.count ? parameter : nil
    }
}

package enum RouteMatch: Sendable {
    /// The row, and the value of its parameter (empty where it has none).
    case found(RouteEntry, parameter: String)
    /// The path exists; these methods do.
    case wrongMethod(allowed: [HTTPRequest.Method])
    case unknown
}

/// All rows. What is in no row is refused; the gateway's handler and Hummingbird's responder ask the same table.
package struct RouteTable: Sendable {
    package let entries: [RouteEntry]

    package init(entries: [RouteEntry]) {
        self.entries = entries
    }

    /// `HEAD` is answered wherever `GET` is.
    package func match(_ method: HTTPRequest.Method, _ path: RequestPath) -> RouteMatch {
        let wanted: HTTPRequest.Method = method == .head ? .get : method
        var allowed: [HTTPRequest.Method] = []
        for entry in entries {
            guard let parameter = entry.match(path) else { continue }
            if entry.method == wanted { return .found(entry, parameter: parameter) }
            allowed.append(entry.method)
            if entry.method == .get { allowed.append(.head) }
        }
        return allowed.isEmpty ? .unknown : .wrongMethod(allowed: allowed)
    }
}
