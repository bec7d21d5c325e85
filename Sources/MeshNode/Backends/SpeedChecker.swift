import NIOCore
import NodeCore
import Primitives
import Routing
import Synchronization

/// Keeps the speeds of this node's backends known while nobody asks them anything: runs each model's `SpeedCheck` when
/// its plan says so, one after another, and only while the node is idle.
final class SpeedChecker: Sendable {
    /// Models of one backend beyond this are left to prompts.
    private static let modelsMax = 16

    private struct Key: Hashable {
        let backend: Int
        let model: String
    }

    private struct State {
        var plans: [Key: SpeedCheckPlan] = [:]
        var present: Set<Key> = []
        var random: SeededRandom
        var query: SpeedCheckQuery?
    }

    private let backends: [LocalBackend]
    private let core: any MeshCore
    private let state: Mutex<State>

    init(backends: [LocalBackend], core: any MeshCore, seed: UInt64) {
        self.backends = backends
        self.core = core
        state = Mutex(State(random: SeededRandom(seed: seed)))
    }

    /// A prompt came or went: what is being measured now would be wrong.
    func giveWay() {
        let query = state.withLock { $0.query }
        query?.cancel()
    }

    /// Runs the checks that are due, and says so whenever a speed was found.
    func runDue(on pool: NIOLoopBound<UpstreamPool>, found: () -> Void) async {
        for (backend, model) in candidates() {
            let key = Key(backend: backend, model: model)
            let local = backends[backend]
            let measuredAt = local.speeds.measuredAt(model)
            let (tries, draw) = state.withLock { state in
                (state.plans[key]?.triesDue(measuredAt: measuredAt, now: core.now()), state.random.fork())
            }
            guard let tries else { continue }
            let check = SpeedCheck(pool: pool, backend: local, model: model, now: { [core] in core.now() })
            var random = draw
            func note(_ speed: SpeedBoard.Speed) {
                local.speeds.note(model, checked: speed, now: core.now())
                found()
            }
            let finding = await check.run(
                tries: tries, random: &random, isDisturbed: { isBusy },
                announce: { query in state.withLock { $0.query = query } }, improved: note)
            switch finding {
            case .gaveWay: return
            case .failed: break
            case .measured(let speed): note(speed)
            }
            state.withLock { $0.plans[key]?.noteChecked(now: core.now()) }
        }
    }

    private var isBusy: Bool { backends.contains { $0.desk.counts.running + $0.desk.counts.queued > 0 } }

    /// Models that generate and are in memory. Their plans are made, or told that they are back.
    private func candidates() -> [(Int, String)] {
        let now = backends.enumerated().flatMap { position, backend -> [(Int, String)] in
            guard backend.config.measuresSpeed, backend.address != nil else { return [] }
            let finding = backend.current
            guard finding.isHealthy else { return [] }
            return finding.models.filter { $0.isLoaded && $0.pool == .generation }.prefix(Self.modelsMax)
                .map { (position, $0.name) }
        }
        state.withLock { state in
            let keys = now.map { Key(backend: $0.0, model: $0.1) }
            for key in keys where !state.present.contains(key) {
                state.plans[key, default: SpeedCheckPlan()].noteReturned()
            }
            state.present = Set(keys)
            if state.plans.count > SpeedBoard.modelCountMax {
                state.plans = state.plans.filter { state.present.contains($0.key) }
            }
        }
        return now
    }
}
