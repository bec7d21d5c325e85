import NIOCore
import NIOHTTP1
import NodeCore
import Routing

/// Asks one model server how it is and what it has. Bounded in time, so that a hung server is unhealthy rather than
/// unknown; never generates anything.
///
/// Ollama: `/api/tags` lists models, `/api/ps` those in memory. OpenAI-compatible: `/v1/models` lists what is served,
/// all of it in memory; `/health`, where it exists, answers 503 while a model is being loaded.
struct BackendProbe {
    static let timeout: TimeAmount = .seconds(3)

    let pool: NIOLoopBound<UpstreamPool>

    /// What one look found; never throws: trouble is a finding.
    func look(at backend: LocalBackend) async -> LocalBackend.Finding {
        guard let address = backend.address else { return backend.current }
        do throws(ProbeFailure) {
            let models =
                switch backend.config.kind {
                case .demo: backend.current.models
                case .ollama: try await ollamaModels(address, key: backend.key)
                case .openai: try await openAIModels(address, key: backend.key)
                }
            return LocalBackend.Finding(isHealthy: true, models: models)
        } catch {
            // Its models stay known: requests are not routed to an unhealthy backend, and it may be back in a moment.
            return LocalBackend.Finding(isHealthy: false, models: backend.current.models, trouble: error.explanation)
        }
    }

    private func ollamaModels(_ address: BackendAddress, key: String?) async throws(ProbeFailure) -> [FoundModel] {
        let tags = try await document(address, "/api/tags", key: key)
        // Servers that only speak the dialect may lack it: then nothing is known to be in memory.
        let running = try? await document(address, "/api/ps", key: key)
        return BackendListing.ollama(tags: tags, running: running)
    }

    private func openAIModels(_ address: BackendAddress, key: String?) async throws(ProbeFailure) -> [FoundModel] {
        let health = try await answer(address, "/health", key: key)
        guard health.status != 503 else { throw .notReady }
        return BackendListing.openAI(try await document(address, "/v1/models", key: key))
    }

    private func document(
        _ address: BackendAddress, _ path: String, key: String?
    ) async throws(ProbeFailure) -> JSONValue {
        let answer = try await answer(address, path, key: key)
        guard answer.status == 200 else { throw .status(answer.status, path) }
        guard let document = try? JSONParser.parse(answer.body) else { throw .notJSON(path) }
        return document
    }

    private func answer(
        _ address: BackendAddress, _ path: String, key: String?
    ) async throws(ProbeFailure) -> ProbeAnswer {
        let asking = pool.eventLoop.flatSubmit { [pool] in
            let query = ProbeQuery(loop: pool.eventLoop, limit: Self.timeout)
            query.start(on: pool.value, address, path, key: key)
            return query.promise.futureResult
        }
        do {
            return try await asking.get()
        } catch {
            throw error as? ProbeFailure ?? .noConnection("\(error)")
        }
    }
}

struct ProbeAnswer: Sendable {
    let status: UInt
    let body: [UInt8]
}

enum ProbeFailure: Error, Hashable {
    case noConnection(String)
    case timedOut
    case notReady
    case status(UInt, String)
    case notJSON(String)
    case tooLong

    var explanation: String {
        switch self {
        case .noConnection(let why): "no connection: \(why)"
        case .timedOut: "no answer in time"
        case .notReady: "it says that it is not ready"
        case .status(let status, let path): "status \(status) for \(path)"
        case .notJSON(let path): "no JSON from \(path)"
        case .tooLong: "its list of models is longer than \(ProbeQuery.bodyBytesMax) bytes"
        }
    }
}

/// One GET, collected; lives on the pool's loop until its promise is done.
private final class ProbeQuery: UpstreamReceiver {
    static let bodyBytesMax = 4 << 20

    let promise: EventLoopPromise<ProbeAnswer>
    private let loop: any EventLoop
    private var exchange: UpstreamExchange?
    private var timeout: Scheduled<Void>?
    private var status: UInt = 0
    private var body = ByteBuffer()
    private var isOver = false

    init(loop: any EventLoop, limit: TimeAmount) {
        self.loop = loop
        promise = loop.makePromise()
        // Holds the query until it is over: the connection that it waits for does not.
        timeout = loop.assumeIsolated().scheduleTask(in: limit) { self.end(.failure(.timedOut)) }
    }

    func start(on pool: UpstreamPool, _ address: BackendAddress, _ path: String, key: String?) {
        var headers = HeaderPolicy.backendHeaders(host: address.authority, bodyBytes: 0, key: key)
        headers.remove(name: "Content-Type")
        headers.remove(name: "Content-Length")
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: address.basePath + path, headers: headers)
        exchange = pool.start(.backend(address), head, body: ByteBuffer(), fresh: false, receiver: self)
    }

    func upstreamAccepted() {}
    func upstream(head: HTTPResponseHead) { status = head.status.code }

    func upstream(body chunk: ByteBuffer) {
        guard body.readableBytes + chunk.readableBytes <= Self.bodyBytesMax else { return end(.failure(.tooLong)) }
        body.writeImmutableBuffer(chunk)
    }

    func upstreamEnd() { end(.success(ProbeAnswer(status: status, body: Array(body.readableBytesView)))) }
    func upstreamFailed(_ failure: UpstreamFailure) { end(.failure(.noConnection("\(failure)"))) }

    private func end(_ result: Result<ProbeAnswer, ProbeFailure>) {
        guard !isOver else { return }
        isOver = true
        timeout?.cancel()
        exchange?.cancel()
        promise.completeWith(result.mapError { $0 })
    }
}
