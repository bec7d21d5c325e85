import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Primitives

/// The HTTP API as the command line uses it. docs/API.md describes the documents.
struct MeshClient: Sendable {
    enum Method: String { case GET, POST, PUT, DELETE }

    /// The agent answered, and the answer is no.
    struct Refused: Error, CustomStringConvertible {
        let status: UInt
        /// The last part of a problem document's `type`; empty where there is none.
        let kind: String
        let detail: String
        var description: String { "\(detail) (HTTP \(status))" + (kind == "unauthorized" ? Self.signIn : "") }

        private static let signIn =
            "\nWith --url, name a user with --user, or put an API key or an access token into MESHNODE_TOKEN."
    }

    /// No agent was reached: nothing was asked.
    struct Unreachable: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// A change was asked for and nothing was heard of it any more.
    struct Unanswered: Error, CustomStringConvertible {
        let description: String
    }

    struct Reply {
        let status: UInt
        let fields: HTTPHeaders
        let body: ByteBuffer

        var bytes: [UInt8] { Array(body.readableBytesView) }

        /// The digits of its `ETag`.
        var revision: String? {
            let digits = fields.first(name: "ETag")?.filter(\.isNumber)
            return digits?.isEmpty == false ? digits : nil
        }

        func decoded<T: Decodable>(as type: T.Type) throws -> T {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(type, from: Data(bytes))
        }

        /// Empty where the body is.
        var json: JSONValue {
            get throws {
                guard body.readableBytes > 0 else { return .object([]) }
                return try JSONParser.parse(bytes)
            }
        }
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
            /// Nil where nothing was heard of it since the node that answers started.
            let address: String?
            let http: String?
            let isPrimary: Bool
            let isVoter: Bool
            /// Nil from a program that does not say.
            let isObserver: Bool?
            let `class`: String?
            let rank: Int?
            let incarnation: String?
            let roundTripMs: Double?
            let health: Health?
        }
        struct Quorum: Decodable {
            let hasQuorum: Bool
            let voters: Int
            let reachable: Int
            let observers: Int?
        }
        let node: String
        let term: UInt64
        let primary: String?
        let role: String
        let commitIndex: UInt64
        let quorum: Quorum
        let electionTimeoutMs: Int?
        let isIsolated: Bool
        let members: [Member]
    }

    /// Longest wait for the whole of an answer. The mesh itself answers a change within some seconds, or says that its
    /// outcome is unknown.
    private static let answerTimeout: Duration = .seconds(15)
    private static let answerBytesMax = 16 << 20

    /// A URL without a path.
    let base: String
    var token: String?
    /// How the agent is called where something must be said of it.
    var place: String { socket?.path ?? base }
    private var socket: LocalSocket?
    private var http = HTTPClient.shared

    init(base: String, token: String? = nil) {
        self.base = base
        self.token = token
    }

    /// For commands, which say at once that nobody listens rather than try again and again.
    static func atAddress(_ url: String, token: String?) -> MeshClient {
        var client = MeshClient(base: url, token: token)
        client.http = impatient
        return client
    }

    static func throughSocket(_ socket: LocalSocket) -> MeshClient {
        let host = socket.path.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        var client = MeshClient(base: "http+unix://\(host)")
        client.socket = socket
        client.http = impatient
        return client
    }

    /// Lives as long as the program, so nobody shuts it down.
    private static let impatient: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(5)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    func status() async throws -> Status {
        try await send(.GET, "/mesh/v1/status").decoded(as: Status.self)
    }

    /// The status document as it came.
    func statusText() async throws -> String { String(buffer: try await send(.GET, "/mesh/v1/status").body) }

    func login(user: String, password: String) async throws -> String {
        struct Credentials: Encodable {
            let username: String
            let password: String
        }
        struct Session: Decodable { let accessToken: String }
        let body = try JSONEncoder().encode(Credentials(username: user, password: password))
        return try await send(.POST, "/mesh/v1/auth/login", body: body).decoded(as: Session.self).accessToken
    }

    /// A key with the rights of a user: prompts, status and events.
    func createAPIKey(label: String) async throws -> String {
        struct Wish: Encodable {
            let label: String
            let role = "user"
        }
        struct Made: Decodable { let key: String }
        let wish = try JSONEncoder().encode(Wish(label: label))
        return try await send(.POST, "/mesh/v1/keys", body: wish).decoded(as: Made.self).key
    }

    func models() async throws -> [String] {
        struct Model: Decodable { let id: String }
        struct List: Decodable { let data: [Model] }
        return try await send(.GET, "/v1/models").decoded(as: List.self).data.map(\.id)
    }

    func isLive() async -> Bool {
        (try? await send(.GET, "/health/live")) != nil
    }

    /// Names a primary and is caught up with it.
    func isReady() async -> Bool {
        (try? await send(.GET, "/health/ready")) != nil
    }

    /// A write that the mesh must agree on.
    func put(key: String, value: String) async throws {
        _ = try await send(.PUT, "/mesh/v1/kv/\(key)", body: Data(value.utf8))
    }

    /// One request and its whole answer; anything but a success is thrown.
    func send(
        _ method: Method, _ path: String, body: Data? = nil, fields: [String: String] = [:]
    ) async throws -> Reply {
        let request = makeRequest(method, path, body: body, fields: fields)
        return try await explained(isChange: method != .GET) {
            try await Self.within(Self.answerTimeout) {
                // A change may take the mesh longer than a look at it.
                let response = try await http.execute(request, timeout: .seconds(method == .GET ? 5 : 20))
                let content = try await response.body.collect(upTo: Self.answerBytesMax)
                guard (200..<300).contains(response.status.code) else {
                    throw Self.refusal(response.status, content)
                }
                return Reply(status: response.status.code, fields: response.headers, body: content)
            }
        }
    }

    /// An answer without end, such as events: handed over piece by piece as they come.
    func stream(_ path: String, _ take: (ByteBuffer) async throws -> Void) async throws {
        let request = makeRequest(.GET, path, body: nil, fields: [:])
        try await explained(isChange: false) {
            let response = try await http.execute(request, deadline: .distantFuture)
            guard response.status == .ok else {
                throw Self.refusal(response.status, try await response.body.collect(upTo: Self.answerBytesMax))
            }
            for try await piece in response.body { try await take(piece) }
        }
    }

    private func makeRequest(
        _ method: Method, _ path: String, body: Data?, fields: [String: String]
    ) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: base + path)
        request.method = HTTPMethod(rawValue: method.rawValue)
        request.headers.add(name: "User-Agent", value: "meshnode \(Agent.version) command line")
        if socket != nil { request.headers.add(name: "Host", value: "localhost") }
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        for (name, value) in fields { request.headers.add(name: name, value: value) }
        if body != nil, fields["Content-Type"] == nil {
            request.headers.add(name: "Content-Type", value: "application/json")
        }
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        return request
    }

    private static func refusal(_ status: HTTPResponseStatus, _ content: ByteBuffer) -> Refused {
        let problem = try? JSONParser.parse(Array(content.readableBytesView))
        return Refused(
            status: status.code, kind: problem?["type"]?.text?.split(separator: ":").last.map(String.init) ?? "",
            detail: problem?["detail"]?.text ?? status.reasonPhrase)
    }

    /// Tells apart what a failed exchange may have left behind.
    private func explained<Value>(isChange: Bool, _ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let refused as Refused {
            throw refused
        } catch let error where Self.isFailureToConnect(error) {
            throw Unreachable("no agent answers at \(place): is it running? (\(Self.words(for: error)))")
        } catch let error where error is NIOSSLError || error is BoringSSLError {
            throw Unreachable("no TLS with the agent at \(place): \(Self.words(for: error))")
        } catch let error as HTTPClientError where error == .invalidURL || error == .emptyHost {
            throw UsageError("'\(place)' is no address of an agent")
        } catch let error where error is IOError || error is HTTPClientError || error is Silence {
            guard isChange else {
                throw Unreachable("the agent at \(place) does not answer (\(Self.words(for: error)))")
            }
            throw Unanswered(
                description:
                    "the agent at \(place) was lost before it answered (\(Self.words(for: error))): it may have been "
                    + "done, so look before you try again")
        }
    }

    private static func isFailureToConnect(_ error: any Error) -> Bool {
        if error is NIOConnectionError { return true }
        if let error = error as? IOError {
            return [ECONNREFUSED, ENOENT, EACCES, EHOSTUNREACH, ENETUNREACH].contains(error.errnoCode)
        }
        return error as? HTTPClientError == .connectTimeout
    }

    private static func words(for error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { words(for: $0.error) } ?? "its name is not known"
        case let error as IOError: String(cString: strerror(error.errnoCode))
        case NIOSSLError.handshakeFailed(let reason): tlsWords(for: "\(reason)")
        case is Silence: "no answer within \(answerTimeout.inMilliseconds / 1000) s"
        default: "\(error)"
        }
    }

    private static func tlsWords(for reason: String) -> String {
        if reason.contains("WRONG_VERSION_NUMBER") || reason.contains("HTTP_REQUEST") {
            return "it speaks plain HTTP there; write http://"
        }
        return reason.contains("CERTIFICATE_VERIFY_FAILED")
            ? "its certificate is not signed by anybody whom this machine trusts" : reason
    }

    private struct Silence: Error {}

    private static func within<Value: Sendable>(
        _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask(operation: body)
            group.addTask {
                try await Task.sleep(for: limit)
                throw Silence()
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw Silence() }
            return first
        }
    }
}

extension String {
    /// As one segment of a path or one value of a query.
    var urlSegment: String {
        let plain = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return addingPercentEncoding(withAllowedCharacters: plain) ?? ""
    }
}
