import Authority
import Gossip
import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOPosix
import NodeCore
import Primitives
import Routing
import SecureChannel
import Synchronization

/// A node's part in answering prompts: takes them from clients and from other agents, chooses a node for each, and
/// serves what its own backends are to answer. One per node, shared by all event loops.
///
/// Its handlers sit in Hummingbird's own pipelines (see `GatewayHandler`). What all of them share is here: decision,
/// the backends, the connections of each loop, the delegations that were served.
package final class Gateway: Sendable {
    package let backends: [LocalBackend]
    package let routing: RoutingDesk
    package let monitor: BackendMonitor
    /// For an answer from another agent: a sign-in waits for a password's check and for a commit.
    private static let askTimeout: TimeAmount = .seconds(15)
    /// A whole shared value, and some.
    private static let askedBytesMax = 512 << 10

    let sealing: any PeerSealing
    let bodyBytesMax: Int
    private let core: any MeshCore
    private let identity: Identity
    private let random: Mutex<SeededRandom>
    private let seen = Mutex(SeenRequests())
    private let pools = Mutex<[ObjectIdentifier: NIOLoopBound<UpstreamPool>]>([:])
    private let listener = Mutex<(@Sendable ([UInt8]) -> Void)?>(nil)

    /// - Parameters:
    ///   - backendKeys: credentials of backends, by `apiKeyName`.
    ///   - sealing: how streams between agents are sealed.
    package init(
        config: NodeConfig, core: any MeshCore, identity: Identity, sealing: any PeerSealing,
        backendKeys: [String: String] = [:]
    ) throws(GatewayStartFailure) {
        backends = try Self.openBackends(config, keys: backendKeys)
        self.core = core
        self.identity = identity
        self.sealing = sealing
        bodyBytesMax = config.limits.requestBodyBytes
        var entropy = SodiumEntropy()
        let seed = entropy.bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
        random = Mutex(SeededRandom(seed: seed))
        routing = RoutingDesk(seed: seed ^ identity.nodeID.low)
        monitor = BackendMonitor(backends: backends, core: core, sealing: sealing)
    }

    /// Every backend with its key and its authority's certificate; asks none of them anything.
    static func openBackends(
        _ config: NodeConfig, keys: [String: String]
    ) throws(GatewayStartFailure) -> [LocalBackend] {
        var backends: [LocalBackend] = []
        for backend in config.backends {
            let key = backend.apiKeyName.flatMap { keys[$0] }
            if let name = backend.apiKeyName, key == nil {
                throw GatewayStartFailure(
                    "backends.\(backend.name).api_key_secret: the secrets file has no key named \(name); add it under "
                        + "'backend_keys' in \(config.secretsFile)")
            }
            guard let local = LocalBackend(backend, key: key) else {
                throw GatewayStartFailure(
                    "backends.\(backend.name).url: \(backend.url) is not http://host:port or https://host:port")
            }
            try checkAuthority(of: local)
            backends.append(local)
        }
        return backends
    }

    private static func checkAuthority(of backend: LocalBackend) throws(GatewayStartFailure) {
        guard let address = backend.address, let file = address.authorityFile else { return }
        let key = "backends.\(backend.config.name).tls_authority"
        guard address.usesTLS else {
            throw GatewayStartFailure("\(key): \(backend.config.url) is not https://; remove the key or change the URL")
        }
        do { _ = try address.makeTLSConfiguration() } catch {
            throw GatewayStartFailure("\(key): \(file) holds no PEM certificate that can be read (\(error))")
        }
    }

    /// Polls the backends until the task is cancelled; then closes what is kept open.
    package func run() async {
        await monitor.run()
        let open = pools.withLock { pools in
            defer { pools = [:] }
            return Array(pools.values)
        }
        for pool in open { pool.eventLoop.execute { pool.value.close() } }
    }

    /// Where each finished prompt is told, as one line of JSON.
    package func onRoute(_ body: @escaping @Sendable ([UInt8]) -> Void) { listener.withLock { $0 = body } }

    // MARK: For handlers and exchanges

    var view: ClusterView { core.view }
    var me: NodeID { identity.nodeID }
    var name: String { core.view.name }

    func now() -> Instant { core.now() }

    /// By the mesh's clock; 0 before a primary has set it for the first time.
    func unixMilliseconds(_ view: ClusterView) -> Int64 { view.unixTime(at: core.now())?.milliseconds ?? 0 }

    func randomWord() -> UInt64 { random.withLock { $0.next() } }
    func backend(named name: String) -> LocalBackend? { backends.first { $0.config.name == name } }

    func publish(_ event: JSONValue) {
        if let listener = listener.withLock({ $0 }) { listener(event.encode()) }
    }

    /// The pool of the loop that this is called on.
    func pool(on loop: any EventLoop) -> UpstreamPool {
        loop.preconditionInEventLoop()
        let bound = pools.withLock { pools in
            if let known = pools[ObjectIdentifier(loop)] { return known }
            let made = NIOLoopBound(UpstreamPool(loop: loop, sealing: sealing), eventLoop: loop)
            pools[ObjectIdentifier(loop)] = made
            return made
        }
        return bound.value
    }

    func decide(_ request: RoutingRequest) -> Result<RoutingDecision, RoutingRefusal> {
        routing.decide(request, view: core.view, ownLoad: monitor.currentLoad(), now: core.now())
    }

    /// What an attempt at `backend`, or at another agent where that is nil, needs around it.
    func environment(
        for pool: UpstreamPool, roundTrip: Duration, backend: LocalBackend?, key: FirstByteBoard.Key,
        prompt: PromptRequest
    ) -> AttemptEnvironment {
        AttemptEnvironment(
            pool: pool, now: { [core] in core.now() }, loadChanged: { [monitor] in monitor.noteLoadChanged() },
            isDead: { [core] in core.view.member($0)?.state == .dead }, firstByteKey: key,
            firstByteDeadlines: backend?.firstByteDeadlines(key, for: prompt, now: core.now())
                ?? FirstByteDeadlines(acceptanceAfter: roundTrip))
    }

    /// Another agent as a place to ask, with the word of this one for the caller; nil while its address is not known.
    func peerPlace(of candidate: Candidate, caller: Caller, api: PromptAPI) -> Attempt.Place? {
        let view = core.view
        guard let descriptor = view.member(candidate.node)?.descriptor else { return nil }
        let request = random.withLock { Delegation.RequestID(high: $0.next(), low: $0.next()) }
        let expiry = unixMilliseconds(view) + Delegation.lifetime.inMilliseconds
        let delegation = Delegation(
            origin: me, target: candidate.node, request: request, expiresAt: expiry,
            appliedIndex: view.consensus.appliedIndex, caller: caller, api: api, backend: candidate.backend,
            model: candidate.model)
        return .peer(.peer(candidate.node, descriptor.http), delegation: delegation.signed(by: identity))
    }

    /// Asks another agent's HTTP port, in a sealed stream, and collects the answer.
    func ask(
        _ node: NodeID, at endpoint: Endpoint, _ head: HTTPRequestHead, body: ByteBuffer
    ) async throws(CollectFailure) -> CollectedReply {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let asking = loop.flatSubmit { [self] in
            let exchange = CollectedExchange(loop: loop, limit: Self.askTimeout, bodyBytesMax: Self.askedBytesMax)
            exchange.start(on: pool(on: loop), .peer(node, endpoint), head, body: body, fresh: true)
            return exchange.promise.futureResult
        }
        do { return try await asking.get() } catch { throw error as? CollectFailure ?? .brokenOff("\(error)") }
    }

    /// Checks another agent's word: its signature, that it is for here, fresh and new, and that whom it speaks for may
    /// do this by this node's own tables.
    package func accept(
        _ header: String, from peer: NodeID, api: PromptAPI, authenticator: Authenticator
    ) throws(DelegationRefusal) -> Delegation {
        let view = core.view
        let now = core.now()
        let delegation = try Delegation.verify(header, from: peer, view: view, now: now)
        guard delegation.api == api else { throw .malformed }
        guard authenticator.stillHolds(delegation.caller, view: view, now: now) else {
            // Whoever signed in on the origin a moment ago is not refused because this node is a heartbeat behind.
            guard delegation.appliedIndex > view.consensus.appliedIndex else { throw .callerRefused }
            throw .notYetApplied(delegation.appliedIndex)
        }
        guard seen.withLock({ $0.insert(delegation.request, now: unixMilliseconds(view)) }) else {
            throw .replayed
        }
        return delegation
    }
}

/// Why a gateway cannot start: one line that names the key, what was found and what to do.
package struct GatewayStartFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}
