import Foundation
import Gossip
import Logging
import NIOCore
import NodeCore
import Primitives
import Raft
import SecureChannel
import ServiceLifecycle
import UVLoop
import UnixSignals

/// One node as a process: reads what it was provisioned with, recovers its log, and runs the loop, HTTP, the gateway and
/// the probes until it is told to stop.
struct Agent {
    static let version = "0.1.0"

    private let config: NodeConfig
    private let secrets: Secrets
    private let data: DataDirectory
    private let logger: Logger

    /// Checks everything that can be checked before anything is written or sent.
    init(config: NodeConfig, logger: Logger) throws {
        self.config = config
        self.logger = logger
        secrets = try Secrets.load(config.secretsFile)
        try HTTPService.check(config.http)
        _ = try Gateway.openBackends(config, keys: secrets.backendKeys)
        data = try DataDirectory.open(config.dataDirectory, name: config.name)
    }

    func run() async throws {
        // Before the mesh hears of this node: a start that must fail does so without a trace.
        do { try await PortProbe.check(config.http.listen) } catch {
            let isInUse = (error as? IOError)?.errnoCode == EADDRINUSE
            throw ConfigError(
                file: "configuration of \(config.name)", key: "http.listen",
                problem: isInUse ? PortHolder.explain(config.http.listen) : "cannot be listened on (\(error))",
                advice: isInUse ? "nothing was started" : "write an address of this machine; nothing was started")
        }
        let socket = try await LocalSocket.claim(config, logger: logger)
        let keys = SharedKeys(
            ChannelKeys(
                keyring: try data.openKeyring(secrets), me: data.identity.nodeID, exchange: data.identity.exchange,
                peers: data.channelPeers), path: data.keyringPath)
        let dataKeys = makeDataKeys()
        let mesh = try startMesh(keys: keys, dataKeys: dataKeys)
        let gateway = try Gateway(
            config: config, core: mesh.core, identity: data.identity,
            sealing: ChannelSealing(keys: keys), backendKeys: secrets.backendKeys)
        let departure = Departure()
        let http = try HTTPService.make(
            config: config, core: mesh.core,
            secrets: NodeSecrets(data.identity, coreKey: data.coreKey, dataKeys: dataKeys),
            files: try InterfaceFiles(folder: InterfaceFiles.locate()), hooks: gateway.hooks,
            departure: departure, logger: logger,
            onRunning: { port in logger.notice("serving", metadata: ["http": "\(config.http.listen.host):\(port)"]) })
        var services: [any Service] = [
            mesh, http, GatewayService(gateway: gateway),
            HealthService(core: mesh.core, interval: config.health.interval, configured: config.health.gpus),
            AdministratorService(core: mesh.core, administrator: secrets.administrator, logger: logger),
            IdleCodeService(core: mesh.core),
        ]
        if let dataKeys { services.append(DataKeyService(core: mesh.core, keys: dataKeys, logger: logger)) }
        if let socket { services.append(LocalService(socket, config: config, surface: http.surface, logger: logger)) }
        services.append(departure)
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map {
                    .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup)
                },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    /// Nil on an edge node, by the roster or by its configuration.
    private func makeDataKeys() -> SharedDataKeys? {
        guard place.trustClass == .core, let keys = data.dataKeys else { return nil }
        return SharedDataKeys(keys, of: data.identity, path: DataDirectory.dataKeysPath(data.path))
    }

    /// Recovers the log and opens the mesh port.
    private func startMesh(keys: SharedKeys, dataKeys: SharedDataKeys?) throws -> MeshService {
        let directory = try DurableDirectory(path: data.logPath)
        let log = try LogRecovery.run(directory, data: data, logger: logger)
        let epoch = try data.takeBootEpoch()
        var entropy = SodiumEntropy()
        let seed = entropy.bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        var effects: [NodeEffect] = []
        let brain = NodeBrain(
            setup: makeSetup(bootEpoch: epoch, replica: log.replica), recovery: log.recovery,
            sealer: PeerSessions(keys: keys.current, bootEpoch: epoch, entropy: SodiumEntropy()),
            random: SeededRandom(seed: seed), now: MonotonicClock.now(), into: &effects)
        do throws(UVError) {
            return try MeshService(
                brain: brain, firstEffects: effects, endpoint: config.mesh.listen, keys: keys,
                membership: MembershipFiles(
                    identity: data.identity, genesis: data.genesis, coreKey: data.coreKey, dataKeys: dataKeys,
                    data: data.path),
                directory: directory, logger: logger)
        } catch {
            throw ConfigError(
                file: "configuration of \(config.name)", key: "mesh.listen", problem: "\(error)",
                advice: "stop what holds the port ('ss -lntup' shows it), or choose another one")
        }
    }

    /// Whom to call at the start: whom the configuration names, and those whose address is known from when this node or they
    /// joined.
    private func makeContacts() -> [Contact] {
        var contacts = config.peers.compactMap { peer in
            data.roster.entry(named: peer.name).map { Contact(id: $0.node, name: peer.name, endpoint: peer.mesh) }
        }
        for peer in config.peers where data.roster.entry(named: peer.name) == nil {
            logger.warning("peer is not in this mesh and is ignored", metadata: ["peer": "\(peer.name)"])
        }
        let remembered =
            data.contacts
            + data.roster.present.compactMap { entry in
                entry.endpoint.map { Contact(id: entry.node, name: entry.name, endpoint: $0) }
            }
        for contact in remembered
        where data.roster.entry(of: contact.id) != nil && !contacts.contains(where: { $0.id == contact.id }) {
            contacts.append(contact)
        }
        return contacts
    }

    /// A node that joined is what its token made it, whatever its configuration says.
    private var place: (trustClass: TrustClass, rank: Int) {
        guard let entry = data.roster.entry(of: data.identity.nodeID), entry.isAdmitted else {
            return (config.trustClass, config.rank)
        }
        return (entry.isCore ? .core : .edge, entry.rank)
    }

    private func makeSetup(bootEpoch: UInt64, replica: ReplicaID) -> NodeSetup {
        let contacts = makeContacts()
        var gossip = GossipConfig()
        if let interval = config.gossip.probeInterval { gossip.probeInterval = interval }
        return NodeSetup(
            me: data.identity.nodeID, name: config.name, endpoint: config.mesh.advertised, bootEpoch: bootEpoch,
            roster: data.roster, contacts: contacts,
            descriptor: NodeDescriptor(
                http: config.http.advertised, trustClass: place.trustClass, rank: place.rank, version: Self.version,
                verificationKey: data.identity.publicIdentity.signingKey, servesTLS: config.http.certificateFile != nil),
            raft: .make(
                roster: data.roster, electionTimeout: config.raft.electionTimeout,
                heartbeatInterval: config.raft.heartbeatInterval),
            gossip: gossip, replica: replica,
            electionTimeout: config.raft.electionTimeoutMin.map { ElectionTimeoutPolicy.measured($0...(.seconds(10))) },
            keptRevocations: data.revocations,
            sign: { [identity = data.identity] in identity.sign($0) })
    }
}
