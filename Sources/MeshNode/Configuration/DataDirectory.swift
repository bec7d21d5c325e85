import Authority
import Foundation
import Gossip
import NodeCore
import Primitives
import Raft
import SecureChannel

/// Where a node keeps what makes it this node. Made by `meshnode init`; an agent never provisions itself, so that an
/// empty disk can never vote.
///
/// ```
/// data_dir/
///   identity.key   this node's keys (0600)
///   core.key       what core nodes mix into passwords; not on edge nodes (0600)
///   data.keys      what core nodes seal shared values with; not on edge nodes (0600)
///   genesis.json   which cluster, which replicas are bound to it
///   roster         who was admitted and revoked since (0600)
///   revocations    who was revoked by the word of peers, before the log said so (0600)
///   contacts.json  where the others were when this node joined
///   cluster.keys   the cluster's secrets by epoch, once the first was replaced (0600)
///   boot-epoch     how often this directory was started
///   log/           the replicated log
/// ```
struct DataDirectory {
    let path: String
    let identity: Identity
    /// The genesis, and who was admitted or revoked since, as far as this node knew when it last ran.
    let roster: Roster
    /// The genesis file's bytes.
    let genesis: [UInt8]
    /// Nil on an edge node, and in a mesh that an older program made.
    let coreKey: CoreKey?
    /// Nil on an edge node; empty in a mesh that an older program made, until its secret is replaced.
    let dataKeys: DataKeys?
    /// What was kept of revocations that the log had not told of.
    let revocations: [UInt8]
    /// Where others were when this node joined.
    let contacts: [Contact]
    /// The roster's keys for the channel.
    let channelPeers: [ChannelKeys.Peer]

    var logPath: String { path + "/log" }

    static func identityPath(_ path: String) -> String { path + "/identity.key" }
    static func genesisPath(_ path: String) -> String { path + "/genesis.json" }
    static func coreKeyPath(_ path: String) -> String { path + "/core.key" }
    static func dataKeysPath(_ path: String) -> String { path + "/data.keys" }
    static func rosterPath(_ path: String) -> String { path + "/roster" }
    static func contactsPath(_ path: String) -> String { path + "/contacts.json" }
    private static func revocationsPath(_ path: String) -> String { path + "/revocations" }
    var keyringPath: String { path + "/cluster.keys" }
    private var epochPath: String { path + "/boot-epoch" }

    static func isProvisioned(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: genesisPath(path))
    }

    static func open(_ path: String, name: String) throws(ConfigError) -> DataDirectory {
        guard isProvisioned(path) else {
            throw ConfigError(
                file: path, key: "data_dir", problem: "is not provisioned",
                advice: "run 'meshnode init CONFIG...' once with the configurations of all nodes of a new mesh, or "
                    + "'meshnode join' with a token of one that exists")
        }
        try PrivateFile.checkMode(identityPath(path))
        guard let keyBytes = FileManager.default.contents(atPath: identityPath(path)),
            let genesisBytes = FileManager.default.contents(atPath: genesisPath(path))
        else {
            throw ConfigError(
                file: path, key: "data_dir", problem: "its identity.key or genesis.json cannot be read",
                advice: "check that this user owns the directory and its files")
        }
        let identity: Identity
        do throws(KeyFileError) {
            identity = try Identity(keyFile: Array(keyBytes))
        } catch {
            throw ConfigError(
                file: identityPath(path), problem: "\(error)",
                advice: "restore it from a backup; the node is lost without it")
        }
        guard let genesis = try? JSONDecoder().decode(Genesis.self, from: genesisBytes), var roster = Roster(genesis)
        else {
            throw ConfigError(
                file: genesisPath(path), problem: "is damaged",
                advice: "copy it from any other node of the mesh: it is the same there")
        }
        if let table = try readRoster(path) { roster.follow(table) }
        guard !roster.isRevoked(identity.nodeID) else {
            throw ConfigError(
                file: path, problem: "belongs to a node that was revoked: its keys count for nothing in its mesh",
                advice: "nothing was started; to let this machine in again, choose another data_dir and 'meshnode join'"
            )
        }
        guard let entry = roster.entry(of: identity.nodeID) else {
            throw ConfigError(
                file: genesisPath(path), problem: "does not list this node's identity",
                advice: "the directory holds files of two meshes: restore the one that belongs to identity.key")
        }
        guard entry.name == name else {
            throw ConfigError(
                file: path, key: "name",
                problem: "this directory belongs to '\(entry.name)', the configuration says '\(name)'",
                advice: "correct name or data_dir in the configuration")
        }
        guard let peers = roster.channelPeers else {
            throw ConfigError(
                file: genesisPath(path), problem: "lacks the public keys of its members: an older version made it",
                advice: "make a new mesh with 'meshnode init'; nodes prove who they are by these keys")
        }
        return DataDirectory(
            path: path, identity: identity, roster: roster, genesis: Array(genesisBytes),
            coreKey: entry.isCore ? try readCoreKey(path) : nil,
            dataKeys: entry.isCore ? try readDataKeys(path, cluster: roster.cluster) : nil,
            revocations: readRevocations(path), contacts: readContacts(path), channelPeers: peers)
    }

    private static func readCoreKey(_ path: String) throws(ConfigError) -> CoreKey? {
        let file = coreKeyPath(path)
        guard let bytes = FileManager.default.contents(atPath: file) else { return nil }
        try PrivateFile.checkMode(file)
        do throws(KeyFileError) { return try CoreKey(keyFile: Array(bytes)) } catch {
            throw ConfigError(
                file: file, problem: "\(error)", advice: "copy it from another core node's data directory")
        }
    }

    private static func readDataKeys(_ path: String, cluster: [UInt8]) throws(ConfigError) -> DataKeys {
        let file = dataKeysPath(path)
        guard let bytes = FileManager.default.contents(atPath: file) else { return DataKeys(cluster: cluster) }
        try PrivateFile.checkMode(file)
        let advice = "copy it from another core node's data directory"
        let keys: DataKeys
        do throws(KeyFileError) { keys = try DataKeys(keyFile: Array(bytes)) } catch {
            throw ConfigError(file: file, problem: "\(error)", advice: advice)
        }
        guard keys.cluster == cluster else {
            throw ConfigError(file: file, problem: "belongs to another mesh", advice: advice)
        }
        return keys
    }

    /// Fills a new directory. Refuses one that is provisioned already.
    static func provision(
        _ path: String, identity: Identity, genesis: Genesis, coreKey: CoreKey?, dataKeys: DataKeys?
    ) throws(ConfigError) {
        guard !isProvisioned(path) else {
            throw ConfigError(
                file: path, key: "data_dir", problem: "is provisioned already",
                advice: "nothing was overwritten; remove the directory to start a new mesh")
        }
        try makeDirectory(path)
        try PrivateFile.create(identityPath(path), identity.encodeKeyFile())
        if let coreKey { try PrivateFile.create(coreKeyPath(path), coreKey.encodeKeyFile()) }
        if let dataKeys { try PrivateFile.create(dataKeysPath(path), dataKeys.encodeKeyFile()) }
        try createLog(path + "/log", genesis: genesis, node: identity.nodeID)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        guard let text = try? encoder.encode(genesis) else {
            throw ConfigError(file: genesisPath(path), problem: "cannot be encoded", advice: "report this as a defect")
        }
        try PrivateFile.create(genesisPath(path), Array(text))
    }

    /// Binds the log to this node's first replica. An agent never makes one: a log that is missing is a log that is lost.
    private static func createLog(_ path: String, genesis: Genesis, node: NodeID) throws(ConfigError) {
        guard let roster = Roster(genesis), let member = roster.entry(of: node) else {
            preconditionFailure("genesis does not list \(node), for which it was made")
        }
        try createLog(path, cluster: roster.cluster, replica: member.replica)
    }

    static func createLog(_ path: String, cluster: [UInt8], replica: ReplicaID) throws(ConfigError) {
        do throws(DiskError) {
            let (_, operations) = WriteAheadLog.create(cluster: cluster, replica: replica)
            try DurableDirectory(path: path).execute(operations)
        } catch {
            throw ConfigError(
                file: path, problem: "\(error)",
                advice: "make room there, or choose another data_dir; then provision again")
        }
    }

    /// The cluster's secrets: the one that the mesh began with, until another came.
    func openKeyring(_ secrets: Secrets) throws(ConfigError) -> Keyring {
        guard FileManager.default.fileExists(atPath: keyringPath) else {
            guard let first = secrets.clusterSecret else {
                throw ConfigError(
                    file: keyringPath, problem: "is missing, and the secrets file has no 'cluster_key'",
                    advice: "restore it from a backup of this directory, or join again with another data_dir")
            }
            return Keyring(ClusterKey(id: roster.cluster, secret: first))
        }
        try PrivateFile.checkMode(keyringPath)
        let advice = "restore it from a backup of this directory; without it the node is a stranger to its mesh"
        guard let bytes = FileManager.default.contents(atPath: keyringPath) else {
            throw ConfigError(file: keyringPath, problem: "cannot be read", advice: advice)
        }
        let keyring: Keyring
        do throws(KeyFileError) {
            keyring = try Keyring(keyFile: Array(bytes))
        } catch {
            throw ConfigError(file: keyringPath, problem: "\(error)", advice: advice)
        }
        guard keyring.cluster == roster.cluster else {
            throw ConfigError(
                file: keyringPath, problem: "belongs to another mesh",
                advice: "the directory holds files of two meshes: restore the one that belongs to genesis.json")
        }
        return keyring
    }

    /// Counts this start: durable before the first frame is sent, so that no two lives share an epoch.
    func takeBootEpoch() throws(ConfigError) -> UInt64 {
        let last: UInt64
        if let text = FileManager.default.contents(atPath: epochPath) {
            guard let value = UInt64(String(decoding: text, as: UTF8.self).trimmed), value < Incarnation.bootEpochMax
            else {
                throw ConfigError(
                    file: epochPath, problem: "is damaged",
                    advice: "write a number into it that is larger than the incarnation other nodes show for this one")
            }
            last = value
        } else {
            last = 0
        }
        try PrivateFile.replace(epochPath, Array("\(last + 1)\n".utf8))
        return last + 1
    }

    static func makeDirectory(_ path: String) throws(ConfigError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true,
                attributes: [.posixPermissions: NSNumber(value: 0o700)])
        } catch {
            throw ConfigError(
                file: path, problem: "cannot be created (\(error.localizedDescription))",
                advice: "check that this user may write there")
        }
    }
}

// MARK: - Who else belongs to the mesh

extension DataDirectory {
    private static let rosterKind = "meshnode roster"
    private static let revocationsKind = "meshnode revocations"

    static func encodeRoster(_ table: [UInt8]) -> [UInt8] { CheckedFile.encode(kind: rosterKind, table) }

    /// Returns why it could not be written.
    static func replaceRoster(_ path: String, _ table: [UInt8]) -> ConfigError? {
        do throws(ConfigError) { try PrivateFile.replace(rosterPath(path), encodeRoster(table)) } catch { return error }
        return nil
    }

    /// Returns why it could not be written.
    static func replaceRevocations(_ path: String, _ news: [UInt8]) -> ConfigError? {
        do throws(ConfigError) {
            try PrivateFile.replace(revocationsPath(path), CheckedFile.encode(kind: revocationsKind, news))
        } catch { return error }
        return nil
    }

    /// A file that cannot be read costs only time: each is signed, and peers tell it again.
    private static func readRevocations(_ path: String) -> [UInt8] {
        let file = FileManager.default.contents(atPath: revocationsPath(path))
        return file.flatMap { try? CheckedFile.decode(kind: revocationsKind, Array($0)) } ?? []
    }

    /// Nil if nothing has changed since the genesis.
    private static func readRoster(_ path: String) throws(ConfigError) -> RosterTable? {
        guard let file = FileManager.default.contents(atPath: rosterPath(path)) else { return nil }
        let bytes = try? CheckedFile.decode(kind: rosterKind, Array(file))
        guard let table = bytes.flatMap({ try? RosterTable(decoding: $0) }) else {
            throw ConfigError(
                file: rosterPath(path), problem: "is damaged",
                advice: "restore it from a backup, or copy it from any other node of the mesh")
        }
        return table
    }

    struct SavedContact: Codable {
        let node: String
        let name: String
        let mesh: String
    }

    /// A file that cannot be read costs only the search: others may call first.
    private static func readContacts(_ path: String) -> [Contact] {
        guard let bytes = FileManager.default.contents(atPath: contactsPath(path)),
            let saved = try? JSONDecoder().decode([SavedContact].self, from: bytes)
        else { return [] }
        return saved.compactMap { contact in
            guard let node = NodeID(hex: contact.node), let endpoint = Endpoint(contact.mesh),
                contact.name.utf8.count <= Member.nameBytesMax
            else { return nil }
            return Contact(id: node, name: contact.name, endpoint: endpoint)
        }
    }
}
