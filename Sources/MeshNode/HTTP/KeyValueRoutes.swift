import Authority
import Foundation
import Hummingbird
import NIOCore
import NodeCore
import Primitives

/// The shared values as Hummingbird serves them: listings, and each request for one value that `ValueHandler` left.
struct KeyValueRoutes {
    let surface: HTTPSurface

    private static let listedMax = 1000

    /// At most `listedMax`, sorted; the last key of a full page is the next one's `after`.
    func list(_ exchange: Exchange) async throws -> Response {
        try await settle(exchange)
        let prefix = exchange.path.queryValue("prefix") ?? ""
        let after = try exchange.path.queryValue("after").map { try ValueRequest.key($0) }
        let entries = surface.core.view.authority.values.list(
            prefix: Array(prefix.normalised.utf8), after: after, limit: Self.listedMax)
        return Response.json { text in
            text.key("entries")
            text.open("[")
            for entry in entries {
                text.open("{")
                text.field("key", entry.key.text)
                text.field("revision", entry.value.revision.value)
                text.field("size", entry.value.byteCount)
                text.close("}")
            }
            text.close("]")
        }
    }

    func serve(_ operation: Operation, _ exchange: Exchange) async throws -> Response {
        let request = try ValueRequest(
            operation, path: exchange.path, parameter: exchange.parameter, fields: exchange.request.headers)
        let body = try await request.bodyBytesMax > 0 ? exchange.body(limit: request.bodyBytesMax) : ByteBuffer()
        let author = try exchange.caller().user
        let answer = await withCheckedContinuation { continuation in
            request.answer(body, author: author, core: surface.core, vault: surface.vault) {
                continuation.resume(returning: $0)
            }
        }
        return Response(answer.reply())
    }

    /// Makes the view as new as the request asks: by default as new as anything committed before it arrived.
    func settle(_ exchange: Exchange) async throws {
        guard try ValueRequest.Consistency(exchange.path) == .linearizable else { return }
        do { try await surface.core.readBarrier() } catch { throw Problem.core(error) }
    }
}
