import HTTPTypes
import NIOCore

/// Where one exchange writes its reply: the client's connection, on its event loop.
protocol ReplySink: AnyObject {
    /// Says "in hand" to another agent before there is anything to say (HTTP 102).
    func interim()
    func begin(_ status: HTTPResponse.Status, _ fields: HTTPFields)
    /// One piece, on the wire at once.
    func piece(_ bytes: ByteBuffer)
    func end()
    /// False while the client does not read.
    var isWritable: Bool { get }
}

extension ReplySink {
    /// A reply in one document.
    func whole(_ status: HTTPResponse.Status, _ fields: HTTPFields, _ body: ByteBuffer, isHead: Bool = false) {
        var fields = fields
        fields[.contentLength] = String(body.readableBytes)
        begin(status, fields)
        if !isHead, body.readableBytes > 0 { piece(body) }
        end()
    }

    func refuse(_ error: GatewayError, _ dialect: Dialect, node: String, decision: String? = nil) {
        var fields = ReplyFields.make(dialect, isStreaming: false, node: node, decision: decision)
        if let seconds = error.retryAfterSeconds { fields[.retryAfter] = String(seconds) }
        if error.status == 401 { fields[.wwwAuthenticate] = "Bearer" }
        whole(HTTPResponse.Status(code: error.status), fields, ByteBuffer(bytes: error.body(dialect)))
    }
}

/// The header fields of every reply: the dialect's type, never a backend's, and who answered and why.
enum ReplyFields {
    static func make(_ dialect: Dialect, isStreaming: Bool, node: String, decision: String?) -> HTTPFields {
        var fields = HTTPFields()
        fields[.contentType] = HeaderPolicy.contentType(dialect, isStreaming: isStreaming)
        fields[.cacheControl] = "no-store"
        fields[.xContentTypeOptions] = "nosniff"
        fields[HeaderPolicy.meshNode] = printable(node)
        if let decision { fields[HeaderPolicy.meshDecision] = printable(decision) }
        return fields
    }

    /// Names come from configuration files; a header takes visible ASCII.
    private static func printable(_ text: String) -> String {
        String(decoding: text.utf8.map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "_") }, as: UTF8.self)
    }
}
