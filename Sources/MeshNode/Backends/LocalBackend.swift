import NodeCore
import Primitives
import Routing
import Synchronization

/// One model server behind this node: what the configuration says of it, what the last look at it found, and who is
/// being served. Shared by all event loops and the monitor.
package final class LocalBackend: Sendable {
    /// What a look at the server found.
    package struct Finding: Sendable {
        package var isHealthy: Bool
        package var models: [FoundModel]
        /// Why it is not healthy, for the log.
        package var trouble: String?

        package init(isHealthy: Bool, models: [FoundModel], trouble: String? = nil) {
            self.isHealthy = isHealthy
            self.models = models
            self.trouble = trouble
        }
    }

    /// Longer than the longest interval between two checks, so that what they found is always told.
    private static let checkedSpeedsFreshFor: Duration = .seconds(2 * 3600)
    /// Waiting requests beyond this are refused, so that another node can take them.
    package static let queueMax = 64

    package let config: NodeConfig.Backend
    /// Nil for the demonstration.
    package let address: BackendAddress?
    package let key: String?
    private let server: UInt32
    package let desk: AdmissionDesk
    package let speeds: SpeedBoard
    package let firstBytes = FirstByteBoard()
    private let finding: Mutex<Finding>

    /// Nil if the URL is none that could be asked; the configuration is checked before, so this names a mistake there.
    package init?(_ config: NodeConfig.Backend, key: String?) {
        self.config = config
        self.key = key
        speeds = config.measuresSpeed ? SpeedBoard(freshFor: Self.checkedSpeedsFreshFor) : SpeedBoard()
        switch config.kind {
        case .demo:
            address = nil
            server = 0
            finding = Mutex(Finding(isHealthy: true, models: [FoundModel(name: DemoBackend.model, isLoaded: true)]))
        case .ollama, .openai:
            guard let address = BackendAddress(url: config.url, authorityFile: config.authorityFile) else { return nil }
            self.address = address
            server = ServerFingerprint.make(of: address)
            finding = Mutex(Finding(isHealthy: false, models: [], trouble: "not looked at yet"))
        }
        desk = AdmissionDesk(slots: config.slots, queueMax: Self.queueMax)
    }

    package var current: Finding { finding.withLock { $0 } }

    package func note(_ new: Finding) { finding.withLock { $0 = new } }

    package var report: BackendReport {
        let counts = desk.counts
        let kind: BackendReport.Kind =
            switch config.kind {
            case .ollama: .ollama
            case .openai: .openai
            case .demo: .demo
            }
        return BackendReport(
            name: config.name, kind: kind, isHealthy: current.isHealthy, slots: config.slots, running: counts.running,
            queued: counts.queued, queuedTokens: counts.queuedTokens, admitted: counts.admitted,
            slowdown: config.slowdown, server: server)
    }

    /// How long to wait for its first byte now; for a reply in one document, that is its last.
    func firstByteDeadlines(_ key: FirstByteBoard.Key, for prompt: PromptRequest, now: Instant) -> FirstByteDeadlines {
        let model = current.models.first { $0.name == key.model }
        let running = desk.counts.running
        let usual = FirstByteDeadlines.usual(
            learned: firstBytes[key], promptTokens: prompt.promptTokens, running: running,
            sizeBytes: model?.sizeBytes ?? 0, isLoaded: model?.isLoaded ?? false)
        guard key.isWhole else { return FirstByteDeadlines(stream: usual) }
        return FirstByteDeadlines(
            document: usual, outputTokensMax: prompt.maxTokens,
            tokensPerSecond: speeds.speed(of: key.model, now: now).decode, running: running)
    }

    /// - Parameter position: in the node's list of backends.
    package func modelReports(position: Int, now: Instant) -> [ModelReport] {
        current.models.compactMap { model in
            let speed =
                config.kind == .demo
                ? DemoBackend.speed(slowdown: config.slowdown) : speeds.speed(of: model.name, now: now)
            return ModelReport(
                name: model.name, backend: position, pool: model.pool, isLoaded: model.isLoaded,
                sizeBytes: model.sizeBytes, parametersMillions: model.parametersMillions, family: model.family,
                contextTokens: model.contextTokens, prefillTokensPerSecond: speed.prefill,
                decodeTokensPerSecond: speed.decode)
        }
    }
}

/// One model as its server describes it.
package struct FoundModel: Hashable, Sendable {
    package var name: String
    package var isLoaded: Bool
    package var pool = ModelReport.Pool.generation
    package var sizeBytes: UInt64 = 0
    package var parametersMillions: UInt32 = 0
    package var family = ""
    package var contextTokens: UInt32 = 0

    package init(name: String, isLoaded: Bool) {
        self.name = name
        self.isLoaded = isLoaded
    }
}
