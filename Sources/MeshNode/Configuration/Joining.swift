import Authority
import Foundation
import NodeCore
import Primitives
import Raft
import SecureChannel
import UVLoop

/// Makes a data directory of a mesh that exists, by way of a join token.
///
/// The keys are written first, so that a second attempt asks with the same ones: whoever was admitted and did not hear of it
/// is welcomed again. What makes the directory usable, the genesis, is written last.
struct Joining {
    let config: NodeConfig
    let ticket: JoinTicket

    struct Result {
        let name: String
        let trustClass: TrustClass
        let rank: Int
        let mayVote: Bool
        let through: Endpoint
    }

    private static let attemptLimit: Duration = .seconds(15)

    func run() throws -> Result {
        let path = config.dataDirectory
        guard !DataDirectory.isProvisioned(path) else {
            throw ConfigError(
                file: path, key: "data_dir", problem: "is provisioned already",
                advice: "nothing was done; this machine belongs to a mesh, or choose another data_dir")
        }
        try DataDirectory.makeDirectory(path)
        let identity = try openIdentity(path)
        let replica = ReplicaID(
            Blake2b.hash(Array("meshnode first replica".utf8) + identity.nodeID.bytes).prefix(8).reduce(0) {
                $0 << 8 | UInt64($1)
            })
        let request = JoinRequest(
            name: config.name, replica: replica, signingKey: identity.publicIdentity.signingKey,
            endpoint: config.mesh.advertised)
        var problems: [String] = []
        for core in ticket.cores {
            switch JoinCall(ticket: ticket, core: core, identity: identity, request: request).run(Self.attemptLimit) {
            case .success(.welcome(let welcome)):
                return try provision(path, identity, welcome, through: core.endpoint)
            case .success(.refused(let reason)): throw DemoFailure("\(core.endpoint) refused: \(reason)")
            case .failure(let problem): problems.append("\(core.endpoint) \(problem)")
            }
        }
        throw MeshClient.Unanswered(
            description:
                "no core node of the mesh answered: \(problems.joined(separator: "; ")). Check that this machine "
                + "reaches one of these addresses, and that the token has not expired or been used")
    }

    private func openIdentity(_ path: String) throws(ConfigError) -> Identity {
        let file = DataDirectory.identityPath(path)
        if let bytes = FileManager.default.contents(atPath: file) {
            try PrivateFile.checkMode(file)
            do throws(KeyFileError) { return try Identity(keyFile: Array(bytes)) } catch {
                throw ConfigError(file: file, problem: "\(error)", advice: "remove it and try again")
            }
        }
        var entropy = SodiumEntropy()
        let identity = Identity.generate(from: &entropy)
        try PrivateFile.create(file, identity.encodeKeyFile())
        return identity
    }

    private func provision(
        _ path: String, _ identity: Identity, _ welcome: JoinWelcome, through: Endpoint
    ) throws(ConfigError) -> Result {
        guard let genesis = try? JSONDecoder().decode(Genesis.self, from: Data(welcome.genesis)),
            var roster = Roster(genesis), let table = try? RosterTable(decoding: welcome.roster),
            roster.cluster == ticket.cluster, welcome.dataKeys.map({ $0.cluster == roster.cluster }) ?? true
        else {
            throw ConfigError(
                file: path, problem: "cannot be filled with what \(through) sent",
                advice: "nothing was provisioned; check that both machines run the same version")
        }
        roster.follow(table)
        guard let entry = roster.entry(of: identity.nodeID) else {
            throw ConfigError(
                file: path, problem: "was not admitted by the roster that \(through) sent", advice: "try again")
        }
        let key = ClusterKey(id: roster.cluster, secret: welcome.secret)
        let contacts = welcome.contacts.filter { $0.node != identity.nodeID }.map {
            DataDirectory.SavedContact(node: $0.node.description, name: $0.name, mesh: $0.endpoint.description)
        }
        try PrivateFile.replace(path + "/cluster.keys", Keyring(key, epoch: welcome.epoch).encodeKeyFile())
        if let key = welcome.coreKey {
            try PrivateFile.replace(DataDirectory.coreKeyPath(path), key.encodeKeyFile())
        }
        if let keys = welcome.dataKeys {
            try PrivateFile.replace(DataDirectory.dataKeysPath(path), keys.encodeKeyFile())
        }
        try PrivateFile.replace(DataDirectory.rosterPath(path), DataDirectory.encodeRoster(welcome.roster))
        try PrivateFile.replace(
            DataDirectory.contactsPath(path), Array((try? JSONEncoder().encode(contacts)) ?? Data("[]".utf8)))
        // Of an attempt that ended here: it was never used.
        try? FileManager.default.removeItem(atPath: path + "/log")
        try DataDirectory.createLog(path + "/log", cluster: roster.cluster, replica: entry.replica)
        if !FileManager.default.fileExists(atPath: config.secretsFile) {
            try DataDirectory.makeDirectory(URL(fileURLWithPath: config.secretsFile).deletingLastPathComponent().path)
            try PrivateFile.create(config.secretsFile, Array(Self.secretsText.utf8))
        }
        try PrivateFile.create(DataDirectory.genesisPath(path), welcome.genesis)
        return Result(
            name: entry.name, trustClass: entry.isCore ? .core : .edge, rank: entry.rank, mayVote: entry.mayVote,
            through: through)
    }

    private static let secretsText = """
        # Secrets of one MeshNode. Mode 0600; never commit it, never send it in clear.
        # The cluster's own secret is in the data directory. Keys of backends go here: see configs/README.md.
        backend_keys: []

        """
}

/// One attempt to be let in at one core node: connects, speaks, closes. Blocks its thread.
final class JoinCall {
    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    private let ticket: JoinTicket
    private let core: JoinTicket.Core
    private let identity: Identity
    private let request: JoinRequest
    private var channel: JoinChannel?
    private var outcome: Result<JoinAnswer, Problem>?

    init(ticket: JoinTicket, core: JoinTicket.Core, identity: Identity, request: JoinRequest) {
        self.ticket = ticket
        self.core = core
        self.identity = identity
        self.request = request
    }

    func run(_ limit: Duration) -> Result<JoinAnswer, Problem> {
        do throws(UVError) {
            let loop = try Loop()
            let timer = try LoopTimer(on: loop) { [unowned self] in
                finish(.failure(Problem(description: "did not answer in time")), loop)
            }
            timer.arm(at: MonotonicClock.now() + limit)
            _ = try TCPConnection.connect(to: core.endpoint, on: loop) { [unowned self] connection, event in
                handle(event, on: connection, loop)
            }
            loop.run()
        } catch {
            return .failure(Problem(description: "\(error)"))
        }
        return outcome ?? .failure(Problem(description: "closed the connection without a word"))
    }

    private func finish(_ result: Result<JoinAnswer, Problem>, _ loop: Loop) {
        if outcome == nil { outcome = result }
        loop.stop()
    }

    private func handle(_ event: TCPConnection.Event, on connection: TCPConnection, _ loop: Loop) {
        switch event {
        case .opened: begin(connection, loop)
        case .received(let bytes):
            do throws(StreamRejection) { try receive(bytes, on: connection, loop) } catch {
                finish(.failure(Problem(description: "is not who the token names, or does not know the token")), loop)
            }
        case .drained: break
        case .closed(let error):
            let reason =
                error.map { "\($0)" } ?? "closed the connection: the token was used, has expired, or was withdrawn"
            finish(.failure(Problem(description: reason)), loop)
        }
    }

    private func begin(_ connection: TCPConnection, _ loop: Loop) {
        var entropy = SodiumEntropy()
        guard
            let begun = JoinChannel.begin(
                token: (ticket.id, ticket.secret), cluster: ticket.cluster, core: core.exchangeKey,
                exchange: identity.exchange, entropy: &entropy)
        else { return finish(.failure(Problem(description: "has no usable key")), loop) }
        channel = begun.channel
        _ = connection.write(begun.hello)
    }

    private func receive(_ bytes: [UInt8], on connection: TCPConnection, _ loop: Loop) throws(StreamRejection) {
        guard var channel else { return }
        let wasOpen = channel.isOpen
        let output = try channel.receive(bytes)
        if !wasOpen, let signed = channel.signedMessage(request.body),
            let sealed = try? channel.seal(request.encode(signature: identity.sign(signed)))
        {
            _ = connection.write(sealed)
        }
        self.channel = channel
        guard let message = output.plaintext.first else { return }
        guard let answer = try? JoinAnswer(decoding: message) else { throw .unauthentic }
        finish(.success(answer), loop)
    }
}
