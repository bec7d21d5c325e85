import Authority
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Primitives

/// One request on its way through a route: who asks, for what, and how to read the body.
struct Exchange: Sendable {
    let request: Request
    let path: RequestPath
    /// The value of the path pattern's parameter; empty where it has none.
    let parameter: String
    private let admitted: Caller?
    /// The client's address, for limits on sign-in.
    let source: String

    init(request: Request, path: RequestPath, parameter: String, caller: Caller?, source: String) {
        self.request = request
        self.path = path
        self.parameter = parameter
        admitted = caller
        self.source = source
    }

    /// The edge node at which the client asked, if not here.
    var via: NodeID? { request.headers[HeaderPolicy.via].flatMap { NodeID(hex: $0) } }

    /// Who asks. Only rows of the table that need credentials lead to routes that call this.
    func caller() throws(Problem) -> Caller {
        guard let admitted else { throw .auth(.missing) }
        return admitted
    }

    /// The whole body. Throws 413 when it is longer than `limit` bytes: after it has been read to its end, since many
    /// clients do not listen while they send; before that only if it is endless, and then the connection is to be closed.
    func body(limit: Int) async throws -> ByteBuffer {
        let declared = request.headers[.contentLength].flatMap { Int($0) } ?? 0
        guard declared <= UploadLimits.discardedBytesMax else { throw Problem.tooLarge(limit: limit).closing }
        var (body, byteCount) = (ByteBuffer(), 0)
        for try await var part in request.body {
            byteCount += part.readableBytes
            guard byteCount <= UploadLimits.discardedBytesMax else { throw Problem.tooLarge(limit: limit).closing }
            if byteCount <= limit { body.writeBuffer(&part) }
        }
        guard byteCount <= limit else { throw Problem.tooLarge(limit: limit) }
        return body
    }

    /// The body as JSON of this shape: an object whose fields are the stored properties of `Value`, by their names. Throws 400
    /// that names what is wrong.
    func json<Value: Decodable>(_ type: Value.Type, limit: Int = 16 << 10) async throws -> Value {
        let bytes = Array(try await body(limit: limit).readableBytesView)
        let value: Value
        do { value = try JSONDecoder().decode(type, from: Data(bytes)) } catch let error as DecodingError {
            throw Problem.invalid(Self.explain(error))
        }
        // An optional field with a misspelt name must not be taken for one that was left out.
        let known = Mirror(reflecting: value).children.compactMap(\.label)
        let given = (try? JSONParser.parse(bytes))?.members ?? []
        if let stray = given.first(where: { !known.contains($0.name) }) {
            throw Problem.invalid(
                "There is no field `\(stray.name.prefix(64))` here, only \(known.map { "`\($0)`" }.joined(separator: ", "))."
            )
        }
        return value
    }

    private static func explain(_ error: DecodingError) -> String {
        func field(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
            (context.codingPath + (last.map { [$0] } ?? [])).map(\.stringValue).joined(separator: ".")
        }
        switch error {
        case .keyNotFound(let key, let context): return "The field `\(field(context, key))` is missing."
        case .typeMismatch(_, let context) where !context.codingPath.isEmpty:
            return "The field `\(field(context))` has the wrong type."
        case .valueNotFound(_, let context): return "The field `\(field(context))` must not be null."
        case .typeMismatch: return "The body must be a JSON object."
        case .dataCorrupted: return "The body is not valid JSON."
        @unknown default: return "The body is not what this path takes."
        }
    }
}

extension Response {
    static func json(_ status: HTTPResponse.Status = .ok, _ build: (inout JSONText) -> Void) -> Response {
        var text = JSONText()
        text.open("{")
        build(&text)
        text.close("}")
        return Response(
            status: status, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: text.buffer))
    }

    static let noContent = Response(status: .noContent)

    static func text(_ text: String, type: String = "text/plain; charset=utf-8") -> Response {
        Response(
            status: .ok, headers: [.contentType: type, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
