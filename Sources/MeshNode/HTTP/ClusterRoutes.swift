import Authority
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// The picture of the mesh, once or as a stream, and the routing decision that a prompt would meet.
struct ClusterRoutes {
    let surface: HTTPSurface

    func status() -> Response {
        let document = StatusDocument(view: surface.core.view, now: surface.core.now()).json
        return Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: document.buffer))
    }

    func events(_ exchange: Exchange) throws(Problem) -> Response {
        let caller = try exchange.caller()
        guard let seat = surface.streams.take(caller.user.text) else {
            throw .tooMany("Too many event streams are open. Close one.", retryAfterSeconds: 5)
        }
        let stream = EventStream(surface: surface, caller: caller, seat: seat)
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store", .xAccelBuffering: "no"],
            body: ResponseBody { writer in try await stream.run(&writer) })
    }

    func explain(_ exchange: Exchange) async throws -> Response {
        struct Question: Decodable {
            let model: String
            let prompt_tokens: Int?
            let max_tokens: Int?
        }
        let question = try await exchange.json(Question.self)
        let tokenRange = 0...10_000_000
        guard tokenRange.contains(question.prompt_tokens ?? 0), tokenRange.contains(question.max_tokens ?? 0) else {
            throw Problem.invalid("Token counts lie between 0 and \(tokenRange.upperBound).")
        }
        guard let explain = surface.explain else { throw Problem.notFound("This node routes no prompts.") }
        let json = await explain(question.model, question.prompt_tokens, question.max_tokens)
        return Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json)))
    }
}

/// The gateway's answer to "where would this prompt go, and why": a JSON document.
package typealias RouteExplainer =
    @Sendable (_ model: String, _ promptTokens: Int?, _ maxTokens: Int?) async -> [UInt8]

extension HTTPField.Name {
    /// Asks reverse proxies not to hold events back.
    static let xAccelBuffering = HTTPField.Name("X-Accel-Buffering")!
}
