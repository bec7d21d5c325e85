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
    static let bodyBytesMax = 4 << 20

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
            let query = CollectedExchange(
                loop: pool.eventLoop, limit: Self.timeout, bodyBytesMax: Self.bodyBytesMax)
            query.start(on: pool.value, .backend(address), Self.head(address, path, key: key))
            return query.promise.futureResult
        }
        do {
            let reply = try await asking.get()
            return ProbeAnswer(status: reply.head.status.code, body: Array(reply.body.readableBytesView))
        } catch {
            throw ProbeFailure(error)
        }
    }

    private static func head(_ address: BackendAddress, _ path: String, key: String?) -> HTTPRequestHead {
        var headers = HeaderPolicy.backendHeaders(host: address.authority, bodyBytes: 0, key: key)
        headers.remove(name: "Content-Type")
        headers.remove(name: "Content-Length")
        return HTTPRequestHead(version: .http1_1, method: .GET, uri: address.basePath + path, headers: headers)
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

    init(_ error: any Error) {
        switch error as? CollectFailure {
        case .timedOut: self = .timedOut
        case .tooLong: self = .tooLong
        case .noConnection(let why), .brokenOff(let why): self = .noConnection(why)
        case nil: self = .noConnection("\(error)")
        }
    }

    var explanation: String {
        switch self {
        case .noConnection(let why): "no connection: \(why)"
        case .timedOut: "no answer in time"
        case .notReady: "it says that it is not ready"
        case .status(let status, let path): "status \(status) for \(path)"
        case .notJSON(let path): "no JSON from \(path)"
        case .tooLong: "its list of models is longer than \(BackendProbe.bodyBytesMax) bytes"
        }
    }
}
