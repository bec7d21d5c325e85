import Authority
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NodeCore
import Primitives

/// The values that the mesh shares: raw bodies under keys, with a revision as `ETag` and conditions on it (RFC 9110 §13).
struct KeyValueRoutes {
    let surface: HTTPSurface

    private static let listedMax = 1000

    /// At most `listedMax`, sorted; the last key of a full page is the next one's `after`.
    func list(_ exchange: Exchange) async throws -> Response {
        try await settle(exchange)
        let prefix = exchange.path.queryValue("prefix") ?? ""
        let after = try exchange.path.queryValue("after").map { try Self.key($0) }
        let entries = surface.core.view.authority.values.list(
            prefix: Array(prefix.precomposedStringWithCanonicalMapping.utf8), after: after, limit: Self.listedMax)
        return Response.json { text in
            text.key("entries")
            text.open("[")
            for entry in entries {
                text.open("{")
                text.field("key", entry.key.text)
                text.field("revision", entry.value.revision.value)
                text.field("size", entry.value.bytes.count)
                text.close("}")
            }
            text.close("]")
        }
    }

    func read(_ exchange: Exchange) async throws -> Response {
        let key = try Self.key(exchange.parameter)
        try await settle(exchange)
        guard let value = surface.core.view.authority.values[key] else { throw Problem.refused(.unknownValue) }
        let headers: HTTPFields = [
            .contentType: "application/octet-stream", .eTag: Self.entityTag(value.revision), .cacheControl: "no-cache",
        ]
        if exchange.request.headers[.ifNoneMatch] == Self.entityTag(value.revision) {
            return Response(status: .notModified, headers: headers)
        }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: value.bytes)))
    }

    func write(_ exchange: Exchange) async throws -> Response {
        let key = try Self.key(exchange.parameter)
        let condition = try Self.condition(exchange)
        let body = try await exchange.body(limit: AuthorityLimits.standard.valueBytes)
        let reply = try await surface.commit(
            .putValue(
                key: key, value: Array(body.readableBytesView), condition: condition, author: exchange.caller().user))
        guard case .stored(let revision, let created) = reply else { throw Problem.refused(.malformed) }
        return Response(status: created ? .created : .noContent, headers: [.eTag: Self.entityTag(revision)])
    }

    func delete(_ exchange: Exchange) async throws -> Response {
        let key = try Self.key(exchange.parameter)
        _ = try await surface.commit(.deleteValue(key: key, condition: Self.condition(exchange)))
        return .noContent
    }

    /// Makes the view as new as the request asks: by default as new as anything committed before it arrived.
    func settle(_ exchange: Exchange) async throws(Problem) {
        switch exchange.path.queryValue("consistency") ?? "linearizable" {
        case "local": return
        case "linearizable":
            do { try await surface.core.readBarrier() } catch { throw .core(error) }
        default: throw .invalid("The consistency is `linearizable` (the default) or `local`.")
        }
    }

    private static func key(_ text: String) throws(Problem) -> ValueKey {
        guard let key = ValueKey(text.precomposedStringWithCanonicalMapping) else {
            throw .invalid("A key has 1 to 512 bytes and no control characters.")
        }
        return key
    }

    private static func entityTag(_ revision: LogIndex) -> String { "\"\(revision)\"" }

    /// Several tags, `If-Match: *` and tags on `If-None-Match` are legal HTTP, but nothing that a compare-and-set needs;
    /// they are refused rather than half obeyed.
    private static func condition(_ exchange: Exchange) throws(Problem) -> ValueCondition {
        let fields = exchange.request.headers
        if let lock = exchange.path.queryValue("lock") {
            guard let token = exchange.path.queryValue("token").flatMap({ UInt64($0) }),
                fields[.ifMatch] == nil, fields[.ifNoneMatch] == nil
            else { throw .invalid("`lock=NAME` goes with `token=TOKEN`, and without other conditions.") }
            return .ifHolding(try LockRoutes.name(lock), token: LogIndex(token))
        }
        switch (fields[.ifMatch], fields[.ifNoneMatch]) {
        case (nil, nil): return .none
        case (nil, "*"?): return .ifNoneMatchAny
        case (let tag?, nil) where tag.count > 2 && tag.hasPrefix("\"") && tag.hasSuffix("\""):
            // A tag that is no revision of ours matches nothing, and revision 0 is never given.
            return .ifMatch(LogIndex(UInt64(tag.dropFirst().dropLast()) ?? 0))
        default:
            throw .invalid("Conditions are `If-Match: \"REVISION\"` or `If-None-Match: *`, and not both.")
        }
    }
}
