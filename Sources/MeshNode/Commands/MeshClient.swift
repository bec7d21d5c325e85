import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// The HTTP API as the command line uses it. docs/API.md describes the documents.
struct MeshClient {
    struct Refused: Error, CustomStringConvertible {
        let status: UInt
        let detail: String
        var description: String { "HTTP \(status): \(detail)" }
    }

    struct Status: Decodable {
        struct Member: Decodable {
            struct Health: Decodable {
                struct Memory: Decodable {
                    let used: UInt64
                    let total: UInt64
                }
                struct GPU: Decodable {
                    let name: String
                    let load: Double?
                }
                struct Model: Decodable {
                    let name: String
                }
                let cpu: Double?
                let memory: Memory?
                let gpus: [GPU]?
                let running: Int?
                let queued: Int?
                let slots: Int?
                let models: [Model]?
            }
            let name: String
            let state: String
            let address: String
            let http: String?
            let health: Health?
        }
        struct Quorum: Decodable {
            let hasQuorum: Bool
            let voters: Int
            let reachable: Int
        }
        let node: String
        let term: UInt64
        let primary: String?
        let role: String
        let commitIndex: UInt64
        let quorum: Quorum
        let members: [Member]
    }

    let base: String
    var token: String?

    func status() async throws -> Status {
        try await decode(request(.GET, "/mesh/v1/status"))
    }

    /// The status document as it came.
    func statusText() async throws -> String {
        String(buffer: try await request(.GET, "/mesh/v1/status"))
    }

    func login(user: String, password: String) async throws -> String {
        struct Credentials: Encodable {
            let username: String
            let password: String
        }
        struct Session: Decodable { let accessToken: String }
        let body = try JSONEncoder().encode(Credentials(username: user, password: password))
        let session: Session = try await decode(request(.POST, "/mesh/v1/auth/login", body: body))
        return session.accessToken
    }

    /// A key with the rights of a user: prompts, status and events.
    func createAPIKey(label: String) async throws -> String {
        struct Wish: Encodable {
            let label: String
            let role = "user"
        }
        struct Made: Decodable { let key: String }
        let made: Made = try await decode(
            request(.POST, "/mesh/v1/keys", body: try JSONEncoder().encode(Wish(label: label))))
        return made.key
    }

    func models() async throws -> [String] {
        struct Model: Decodable { let id: String }
        struct List: Decodable { let data: [Model] }
        let list: List = try await decode(request(.GET, "/v1/models"))
        return list.data.map(\.id)
    }

    func isLive() async -> Bool {
        (try? await request(.GET, "/health/live")) != nil
    }

    /// Names a primary and is caught up with it.
    func isReady() async -> Bool {
        (try? await request(.GET, "/health/ready")) != nil
    }

    /// A write that the mesh must agree on.
    func put(key: String, value: String) async throws {
        _ = try await request(.PUT, "/mesh/v1/kv/\(key)", body: Data(value.utf8))
    }

    private func decode<T: Decodable>(_ body: ByteBuffer) throws -> T {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(T.self, from: Data(body.readableBytesView))
    }

    private func request(_ method: Method, _ path: String, body: Data? = nil) async throws -> ByteBuffer {
        var request = HTTPClientRequest(url: base + path)
        request.method = HTTPMethod(rawValue: method.rawValue)
        request.headers.add(name: "User-Agent", value: "meshnode \(Agent.version) command line")
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(5))
        let content = try await response.body.collect(upTo: 4 << 20)
        guard (200..<300).contains(response.status.code) else {
            struct Problem: Decodable { let detail: String? }
            let problem = try? JSONDecoder().decode(Problem.self, from: Data(content.readableBytesView))
            throw Refused(status: response.status.code, detail: problem?.detail ?? response.status.reasonPhrase)
        }
        return content
    }

    private enum Method: String { case GET, POST, PUT }
}
