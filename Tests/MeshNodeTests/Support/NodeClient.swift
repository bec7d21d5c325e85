import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// A client of one node's HTTP API, as a program of somebody else would be.
struct NodeClient: Sendable {
    let name: String
    /// A URL without a path.
    let base: String
    var token: String?

    /// A whole reply.
    struct Reply: Sendable {
        let status: Int
        /// By lower-case name.
        let fields: [String: String]
        let body: Data
        /// In how many pieces the body came: more than one means that it was streamed.
        let pieces: Int

        var text: String { String(decoding: body, as: UTF8.self) }
        var json: JSONDocument { (try? JSONDecoder().decode(JSONDocument.self, from: body)) ?? .null }
        var description: String { "\(status) \(text.prefix(300))" }
    }

    struct Session: Decodable, Sendable {
        let accessToken: String
        let refreshToken: String
        let expiresIn: Int
        let sessionId: String
    }

    func signedIn(_ token: String?) -> NodeClient { NodeClient(name: name, base: base, token: token) }

    func get(_ path: String) async throws -> Reply { try await send("GET", path) }

    func post(_ path: String, _ json: String) async throws -> Reply {
        try await send("POST", path, body: Data(json.utf8), fields: ["Content-Type": "application/json"])
    }

    func send(
        _ method: String, _ path: String, body: Data? = nil, fields: [String: String] = [:],
        within limit: TimeAmount = .seconds(10)
    ) async throws -> Reply {
        var request = HTTPClientRequest(url: base + path)
        request.method = HTTPMethod(rawValue: method)
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        for (name, value) in fields { request.headers.add(name: name, value: value) }
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let response = try await HTTPClient.shared.execute(request, timeout: limit)
        var (data, pieces) = (Data(), 0)
        for try await piece in response.body {
            data += Data(piece.readableBytesView)
            pieces += 1
        }
        let received = response.headers.map { ($0.name.lowercased(), $0.value) }
        return Reply(
            status: Int(response.status.code), fields: Dictionary(received) { first, _ in first }, body: data,
            pieces: pieces)
    }

    // MARK: What most tests do

    func tryLogin(_ user: String, _ password: String) async throws -> Reply {
        try await post("/mesh/v1/auth/login", #"{"username": "\#(user)", "password": "\#(password)"}"#)
    }

    func login(_ user: String, _ password: String) async throws -> Session {
        try session(try await tryLogin(user, password))
    }

    func refresh(_ token: String) async throws -> Reply {
        try await post("/mesh/v1/auth/refresh", #"{"refresh_token": "\#(token)"}"#)
    }

    func session(_ reply: Reply) throws -> Session {
        guard reply.status == 200 else { throw DemoTrouble("\(name) refused the login: \(reply.description)") }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Session.self, from: reply.body)
    }

    /// What the node says of who asks; 401 for a token that does not count.
    func me() async throws -> Reply { try await get("/mesh/v1/auth/me") }

    /// Whom the node names as primary.
    func primary() async throws -> String? {
        let reply = try await get("/mesh/v1/status")
        guard reply.status == 200 else { throw DemoTrouble("\(name) answers \(reply.description)") }
        return reply.json["primary"].text
    }
}

/// A JSON document of unknown form. What is not there is null.
enum JSONDocument: Decodable, Sendable, Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONDocument])
    case object([String: JSONDocument])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONDocument].self) {
            self = .array(value)
        } else if let value = try? container.decode([String: JSONDocument].self) {
            self = .object(value)
        } else {
            self = .null
        }
    }

    subscript(key: String) -> JSONDocument {
        if case .object(let members) = self { members[key] ?? .null } else { .null }
    }

    var text: String? { if case .string(let text) = self { text } else { nil } }
    var number: Double? { if case .number(let number) = self { number } else { nil } }
    var list: [JSONDocument] { if case .array(let list) = self { list } else { [] } }
}
