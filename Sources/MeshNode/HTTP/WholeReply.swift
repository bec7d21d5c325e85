import HTTPTypes
import Hummingbird
import NIOCore

/// An answer that is complete when it is begun: written by a channel handler as it is, or handed to Hummingbird.
struct WholeReply: Sendable {
    var status: HTTPResponse.Status
    var fields: HTTPFields
    var body: ByteBuffer

    init(_ status: HTTPResponse.Status, _ fields: HTTPFields = HTTPFields(), _ body: ByteBuffer = ByteBuffer()) {
        self.status = status
        self.fields = fields
        self.body = body
    }
}

extension Response {
    init(_ reply: WholeReply) {
        self.init(status: reply.status, headers: reply.fields, body: ResponseBody(byteBuffer: reply.body))
    }
}
