import NIOCore
import NIOPosix
import NodeCore
import Primitives
import Routing
import SecureChannel
import Synchronization

/// Watches this node's backends and tells the mesh: their models as the catalogue, their work as the load.
///
/// Load is told when a request starts or ends, not by a timer, but at most once every `loadIntervalMin`: a burst of
/// short requests becomes one report. Looks at the servers go on by `pollInterval`.
package final class BackendMonitor: Sendable {
    /// A model that appears or a server that dies is known after this; raising it spares small servers.
    static let pollInterval: Duration = .seconds(5)
    /// Until the first good look: servers start together with their agents.
    static let impatientInterval: Duration = .milliseconds(500)
    static let loadIntervalMin: TimeAmount = .milliseconds(20)
    /// Load is repeated even if nothing changed, so that a restarted neighbour hears it.
    private static let loadIntervalMax: Duration = .seconds(5)

    private struct Published {
        var isLoadScheduled = false
        var load: Load?
        var loadAt = Instant.zero
        var catalogue: Catalog?
    }

    private let backends: [LocalBackend]
    private let core: any MeshCore
    private let sealing: any PeerSealing
    private let loop: any EventLoop
    private let startedAt: Instant
    private let checker: SpeedChecker
    private let published = Mutex(Published())
    private let accepts = Mutex(true)

    init(backends: [LocalBackend], core: any MeshCore, sealing: any PeerSealing) {
        self.backends = backends
        self.sealing = sealing
        self.core = core
        var entropy = SodiumEntropy()
        checker = SpeedChecker(
            backends: backends, core: core, seed: entropy.bytes(8).reduce(0) { $0 << 8 | UInt64($1) })
        loop = MultiThreadedEventLoopGroup.singleton.any()
        startedAt = core.now()
    }

    /// False tells the others to send no new work here, e.g. before a stop.
    package func setAcceptingWork(_ accepting: Bool) {
        accepts.withLock { $0 = accepting }
        publishLoad()
    }

    package func currentLoad() -> Load {
        Load(
            clockMilliseconds: UInt64(max((core.now() - startedAt).inMilliseconds, 0)),
            isAcceptingWork: accepts.withLock { $0 }, backends: backends.map(\.report))
    }

    /// Looks at every backend again and again, and measures what was found in memory, until the task is cancelled.
    func run() async {
        publishCatalogue()
        publishLoad()
        let pool = try? await loop.submit { [loop, sealing] in
            NIOLoopBound(UpstreamPool(loop: loop, sealing: sealing), eventLoop: loop)
        }.get()
        guard let pool else { return }
        let (looks, looked) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        await withDiscardingTaskGroup { group in
            // Apart from the looks: a check of a slow machine takes seconds.
            group.addTask {
                for await _ in looks { await self.checker.runDue(on: pool) { self.publishCatalogue() } }
            }
            while !Task.isCancelled {
                await look(pool)
                looked.yield()
                let isSettled = backends.allSatisfy { $0.current.isHealthy }
                try? await Task.sleep(for: isSettled ? Self.pollInterval : Self.impatientInterval)
            }
            looked.finish()
        }
        try? await loop.submit { pool.value.close() }.get()
    }

    /// A request started or ended. Any thread.
    func noteLoadChanged() {
        checker.giveWay()
        let isDue = published.withLock { published in
            defer { published.isLoadScheduled = true }
            return !published.isLoadScheduled
        }
        guard isDue else { return }
        loop.scheduleTask(in: Self.loadIntervalMin) { self.publishLoad() }
    }

    private func look(_ pool: NIOLoopBound<UpstreamPool>) async {
        let findings = await withTaskGroup(of: (Int, LocalBackend.Finding).self) { group in
            for (position, backend) in backends.enumerated() {
                group.addTask { (position, await BackendProbe(pool: pool).look(at: backend)) }
            }
            var findings: [(Int, LocalBackend.Finding)] = []
            for await finding in group { findings.append(finding) }
            return findings
        }
        for (position, finding) in findings { backends[position].note(finding) }
        publishCatalogue()
        publishLoad()
    }

    private func publishLoad() {
        let load = currentLoad()
        let now = core.now()
        let isNews = published.withLock { published in
            published.isLoadScheduled = false
            let isChanged = published.load.map(load.differs) ?? true
            guard isChanged || now - published.loadAt > Self.loadIntervalMax else { return false }
            published.load = load
            published.loadAt = now
            return true
        }
        if isNews { core.publish(.load(load)) }
    }

    private func publishCatalogue() {
        let now = core.now()
        let models = backends.enumerated().flatMap { $0.element.modelReports(position: $0.offset, now: now) }
        let catalogue = Catalog(models: models)
        // Speeds change with every answer; a catalogue holds them in coarse steps, so that it seldom changes.
        let isNews = published.withLock { published in
            defer { published.catalogue = catalogue }
            return published.catalogue != catalogue
        }
        if isNews { core.publish(.catalog(catalogue)) }
    }
}
