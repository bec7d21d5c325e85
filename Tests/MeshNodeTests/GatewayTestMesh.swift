import Authority
import Gossip
import HTTPTypes
import MeshNode
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOPosix
import NodeCore
import Primitives
import Raft
import Routing
import SecureChannel
import Synchronization

/// Gateways in one process, each behind a port of its own, that learn of each other through a shared table instead of
/// gossip. One user, ada, with an API key that counts on all of them.
final class GatewayTestMesh: Sendable {
    fileprivate struct Entry {
        var name: String
        var descriptor: NodeDescriptor?
        var load: Load?
        var catalog: Catalog?
        var state: MemberState = .alive
        var changedAt = Instant.zero
    }

    fileprivate struct Frozen {
        let authority: AuthorityState
        let index: UInt64
    }

    fileprivate struct State {
        var frozen: [NodeID: Frozen] = [:]
        var roster: [ChannelKeys.Peer] = []
        var entries: [NodeID: Entry] = [:]
        var authority = AuthorityState()
        var index: UInt64 = 0
        var version: Int64 = 0
    }

    static let unixStart: Int64 = 1_800_000_000_000
    let clusterKey: ClusterKey
    let key: APIKeySecret
    fileprivate let state = Mutex(State())
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant

    init() {
        var entropy = SodiumEntropy()
        clusterKey = ClusterKey.generate(from: &entropy)
        key = APIKeySecret.draw()
        start = clock.now
        apply(.anchorClock(UnixTime(milliseconds: Self.unixStart)))
        apply(.createUser(name: UserName("ada")!, verifier: PasswordVerifier(encoded: "$x$")!, role: .admin))
        apply(
            .createAPIKey(
                APIKeyGrant(
                    id: key.id, user: UserName("ada")!, secretHash: key.hash, label: Label("test")!, role: .service)))
    }

    var authorization: [String: String] { ["Authorization": "Bearer \(key.text)"] }
    var now: Instant { Instant(nanoseconds: (clock.now - start).inNanoseconds + 1) }

    var appliedIndex: LogIndex { LogIndex(state.withLock { $0.index }) }

    /// A new key of ada's.
    func addKey() -> APIKeySecret {
        let key = APIKeySecret.draw()
        apply(
            .createAPIKey(
                APIKeyGrant(
                    id: key.id, user: UserName("ada")!, secretHash: key.hash, label: Label("new")!, role: .service)))
        return key
    }

    func revokeKey() { apply(.revokeAPIKey(key.id)) }

    func apply(_ command: AuthorityCommand) {
        state.withLock { state in
            state.index += 1
            state.version += 1
            let envelope = CommandEnvelope(
                client: 7, bornAt: .zero, sequence: state.index, lowestUnacknowledged: state.index, command: command)
            let applied = state.authority.apply(
                envelope.encode(), at: LogIndex(state.index), time: LogTime(milliseconds: Int64(state.index)))
            if case .refused(let refusal) = applied.reply { preconditionFailure("\(command) is refused: \(refusal)") }
        }
    }

    fileprivate func change(_ id: NodeID, _ body: (inout Entry) -> Void) {
        state.withLock { state in
            state.version += 1
            guard var entry = state.entries[id] else { return }
            body(&entry)
            entry.changedAt = now
            state.entries[id] = entry
        }
    }

    /// From now on `id` applies nothing more, until it is thawed.
    func freeze(_ id: NodeID) { state.withLock { $0.frozen[id] = Frozen(authority: $0.authority, index: $0.index) } }
    func thaw(_ id: NodeID) { state.withLock { $0.frozen[id] = nil } }

    fileprivate func enter(_ identity: Identity, _ name: String) {
        state.withLock { state in
            state.entries[identity.nodeID] = Entry(name: name)
            state.roster.append(ChannelKeys.Peer(node: identity.nodeID, exchangeKey: identity.exchange.publicKey))
        }
    }

    /// Whoever has entered so far.
    func channelKeys(of identity: Identity, cluster: ClusterKey? = nil) -> ChannelKeys {
        ChannelKeys(
            cluster: cluster ?? clusterKey, me: identity.nodeID, exchange: identity.exchange,
            peers: state.withLock { $0.roster })
    }
    func setState(_ id: NodeID, _ new: MemberState) { change(id) { $0.state = new } }

    fileprivate func view(of me: NodeID) -> ClusterView {
        let now = now
        return state.withLock { state in
            let members = state.entries.map { id, entry in
                MemberView(
                    id: id, name: entry.name, endpoint: Endpoint(ipv4: 127, 0, 0, 1, port: 1), state: entry.state,
                    incarnation: Incarnation(bootEpoch: 1, counter: 0), isSelf: id == me, isVoter: true,
                    roundTrip: .milliseconds(1), descriptor: entry.descriptor,
                    health: MemberHealth(
                        vitals: nil, load: entry.load, catalog: entry.catalog, receivedAt: entry.changedAt))
            }.sorted { $0.name < $1.name }
            let index = LogIndex(state.frozen[me]?.index ?? state.index)
            return ClusterView(
                me: me, name: state.entries[me]?.name ?? "", clusterID: clusterKey.id,
                consensus: ConsensusView(
                    term: Term(1), role: .follower, leader: nil, leaderValidUntil: .zero, freshUntil: .distantFuture,
                    commitIndex: index, appliedIndex: index, voters: []),
                members: members, isIsolated: false, authority: state.frozen[me]?.authority ?? state.authority,
                logTime: LogTime(milliseconds: Int64(state.index)), takenAt: now, counters: NodeCounters())
        }
    }
}

private struct TestCore: MeshCore {
    let mesh: GatewayTestMesh
    let me: NodeID

    var view: ClusterView { mesh.view(of: me) }
    func now() -> Instant { mesh.now }
    func submit(
        _ command: AuthorityCommand, then answer: @escaping @Sendable (Result<CommittedReply, CoreRefusal>) -> Void
    ) { answer(.failure(.stopping)) }
    func readBarrier(then answer: @escaping @Sendable (Result<Void, CoreRefusal>) -> Void) { answer(.success(())) }
    func removeMember(_ node: NodeID, then answer: @escaping @Sendable (Result<Void, CoreRefusal>) -> Void) {
        answer(.failure(.stopping))
    }
    func updates() -> AsyncStream<ClusterView> { AsyncStream { $0.finish() } }
    let topics = TopicHub()
    func broadcast(_ event: Broadcast) -> CoreRefusal? { .stopping }

    func publish(_ section: HealthSection) {
        mesh.change(me) { entry in
            switch section {
            case .vitals: break
            case .load(let load): entry.load = load
            case .catalog(let catalog): entry.catalog = catalog
            }
        }
    }
}

/// Sealing in a mesh that nodes enter one by one.
private struct GrowingMeshSealing: PeerSealing {
    let mesh: GatewayTestMesh
    let identity: Identity

    func makeInitiator(to peer: NodeID) -> StreamChannel {
        ChannelSealing(keys: SharedKeys(mesh.channelKeys(of: identity))).makeInitiator(to: peer)
    }

    func makeResponder() -> StreamChannel {
        ChannelSealing(keys: SharedKeys(mesh.channelKeys(of: identity))).makeResponder()
    }
}

/// One node of it: a gateway on a loopback port, in front of a handler that stands for Hummingbird and answers each
/// request with its path and the size of its body.
final class GatewayTestNode: Sendable {
    let name: String
    let identity: Identity
    let gateway: Gateway
    let events = Mutex<[String]>([])
    private let mesh: GatewayTestMesh
    private let channel: any Channel
    private let connections: Connections
    private let running: Task<Void, Never>

    private init(
        name: String, identity: Identity, gateway: Gateway, mesh: GatewayTestMesh, channel: any Channel,
        connections: Connections
    ) {
        self.name = name
        self.mesh = mesh
        self.connections = connections
        self.identity = identity
        self.gateway = gateway
        self.channel = channel
        running = Task { await gateway.run() }
        gateway.onRoute { [weak self] line in self?.events.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
        }
    }

    static func start(
        _ name: String, in mesh: GatewayTestMesh, backends: [NodeConfig.Backend], limits: NodeConfig.Limits = .init()
    ) async throws -> GatewayTestNode {
        var entropy = SodiumEntropy()
        let identity = Identity.generate(from: &entropy)
        mesh.enter(identity, name)
        let http = NodeConfig.HTTP(listen: Endpoint(ipv4: 127, 0, 0, 1, port: 0))
        var config = NodeConfig(
            name: name, dataDirectory: "/nonexistent", secretsFile: "/nonexistent",
            mesh: .init(listen: Endpoint(ipv4: 127, 0, 0, 1, port: 0)), http: http)
        config.backends = backends
        config.limits = limits
        let gateway = try Gateway(
            config: config, core: TestCore(mesh: mesh, me: identity.nodeID), identity: identity,
            sealing: GrowingMeshSealing(mesh: mesh, identity: identity))
        let access = GatewayAccess(
            table: .standard(files: []), authenticator: Authenticator(secrets: NodeSecrets(identity)),
            hosts: HostPolicy(http),
            requestLimit: RateLimiter(
                perMinute: limits.requestsPerMinutePerUser, burst: limits.requestsPerMinutePerUser))
        let connections = Connections()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    connections.add(channel)
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: false, withErrorHandling: false)
                    try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
                    try pipeline.addHandlers(gateway.makeHandlers(access))
                    try pipeline.addHandler(EchoHandler())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(channel.localAddress?.port ?? 0)
        mesh.change(identity.nodeID) { entry in
            entry.descriptor = NodeDescriptor(
                http: Endpoint(ipv4: 127, 0, 0, 1, port: port), trustClass: .core, rank: 0, version: "test",
                verificationKey: identity.publicIdentity.signingKey, servesTLS: false)
        }
        return GatewayTestNode(
            name: name, identity: identity, gateway: gateway, mesh: mesh, channel: channel, connections: connections)
    }

    /// The most that waits in this process to be read by one client.
    func bufferedBytesMax() async throws -> Int { try await connections.bufferedBytesMax() }

    /// What a server tells every connection when it is to stop.
    func quiesce() { connections.fire(ChannelShouldQuiesceEvent()) }

    /// What it tells the mesh of its first model.
    var told: ModelReport? { mesh.state.withLock { $0.entries[identity.nodeID]?.catalog?.models.first } }
    var port: Int { channel.localAddress?.port ?? 0 }

    /// Waits until the whole mesh knows this node's backends as healthy, with their models.
    func settle() async throws {
        try await eventually {
            let entry = self.mesh.state.withLock { $0.entries[self.identity.nodeID] }
            let isHealthy = entry?.load?.backends.allSatisfy(\.isHealthy) ?? false
            return isHealthy && entry?.catalog?.models.isEmpty == false
        }
    }

    func stop() async throws {
        running.cancel()
        try? await channel.close()
    }
}

private final class Connections: Sendable {
    private let all = Mutex<[any Channel]>([])

    func add(_ channel: any Channel) { all.withLock { $0.append(channel) } }
    func bufferedBytesMax() async throws -> Int {
        var most = 0
        for channel in all.withLock({ $0 }) where channel.isActive {
            most = max(most, try await channel.getOption(.bufferedWritableBytes).get())
        }
        return most
    }

    func fire(_ event: ChannelShouldQuiesceEvent) {
        for channel in all.withLock({ $0 }) { channel.pipeline.fireUserInboundEventTriggered(event) }
    }
}

/// Polls a claim for up to five seconds.
func eventually(_ claim: () -> Bool) async throws {
    for _ in 0..<500 {
        if claim() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    struct NeverTrue: Error {}
    throw NeverTrue()
}

extension NodeConfig.Backend {
    init(_ backend: FakeBackend, name: String = "local", slots: Int = 4, slowdown: Double = 1) {
        self.init(name: name, kind: backend.dialect == .ollama ? .ollama : .openai, url: backend.url)
        self.slots = slots
        self.slowdown = slowdown
        // What these backends are asked is counted.
        measuresSpeed = false
    }
}

/// Stands for Hummingbird: answers slowly, so that order on the connection matters.
private final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    private var path = ""
    private var size = 0

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { context.close(promise: nil) }
    }

    /// As Hummingbird does with what the codec cannot read.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let response = HTTPResponse(status: .badRequest, headerFields: [.contentLength: "0", .connection: "close"])
        context.write(wrapOutboundOut(.head(response)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            path = head.path ?? ""
            size = 0
        case .body(let bytes): size += bytes.readableBytes
        case .end:
            let body = "echo \(path) \(size)"
            context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(20)) {
                var response = HTTPResponse(status: .ok)
                response.headerFields[.contentLength] = String(body.utf8.count)
                context.write(self.wrapOutboundOut(.head(response)), promise: nil)
                context.write(self.wrapOutboundOut(.body(ByteBuffer(string: body))), promise: nil)
                context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
            }
        }
    }
}
