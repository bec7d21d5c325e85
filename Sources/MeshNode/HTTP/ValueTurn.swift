import Authority
import HTTPTypes
import NIOCore

/// A request for a shared value that a channel handler can serve, with what has arrived of its body.
struct ValueTurn {
    let request: ValueRequest
    let caller: Caller
    /// The client asked for the connection to end with the answer.
    let closes: Bool
    var body = ByteBuffer()
}

extension HTTPSurface {
    private static let valuePrefix = "/mesh/v1/kv/"

    /// Accepts only what is plain in every respect: known host, path and caller, a bearer, a body of declared and
    /// possible length. Nil for all else, which is for `Responder` to serve or to refuse in its own words; a limit was
    /// then not drawn on.
    func takeValueTurn(_ head: HTTPRequest) -> ValueTurn? {
        guard let target = head.path, target.utf8.starts(with: Self.valuePrefix.utf8) else { return nil }
        let (fields, view, now) = (head.headerFields, core.view, core.now())
        guard head.method != .head, fields.contains(.authorization), !fields.contains(.transferEncoding),
            !fields.contains(.expect), let closes = Self.endsConnection(fields), hosts.accepts(head.authority),
            let path = try? RequestPath(target),
            case .found(let entry, let parameter) = valueTable.match(head.method, path),
            !goesToCore(entry.operation, view),
            let request = try? ValueRequest(entry.operation, path: path, parameter: parameter, fields: fields),
            let length = Int(fields[.contentLength] ?? "0"), 0...request.bodyBytesMax ~= length,
            case .success(let caller?) = authenticator.admit(entry.access, fields: fields, view: view, now: now),
            requestLimit.spend(caller.user.text, now: now) == nil
        else { return nil }
        return ValueTurn(request: request, caller: caller, closes: closes)
    }

    /// Nil for words that mean something else than what follows the answer.
    private static func endsConnection(_ fields: HTTPFields) -> Bool? {
        switch fields[.connection] {
        case nil, "keep-alive": false
        case "close": true
        default: nil
        }
    }
}
