import Authority
import Foundation
import NodeCore
import Primitives
import Raft
import SecureChannel

/// Makes a mesh out of configuration files: identities, one genesis for all, one secrets file each.
///
/// All data directories are filled on the machine where it runs; copy each to its node. Machines that come later join by token
/// (`Joining`).
struct Provisioning {
    struct Result {
        let administrator: String
        let password: String
        let members: [Genesis.Member]
        /// The text of the root key's file, if no file was named: it is kept nowhere.
        let rootKey: String?
    }

    /// All or nothing: refuses before writing if any directory or secrets file exists, or the root key's.
    static func run(
        _ configs: [NodeConfig], administrator: String, password: String? = nil, rootKeyFile: String? = nil
    ) throws(ConfigError) -> Result {
        try check(configs)
        if let rootKeyFile { try checkRootKeyFile(rootKeyFile, configs) }
        var entropy = SodiumEntropy()
        let key = ClusterKey.generate(from: &entropy)
        let coreKey = CoreKey.generate(from: &entropy)
        let dataKeys = DataKeys.generate(cluster: key.id, from: &entropy)
        let password = password ?? entropy.token(byteCount: 16)
        guard let verifier = PasswordChecker.makeVerifier(password, coreKey: coreKey) else {
            throw ConfigError(
                file: configs[0].secretsFile, problem: "there is not enough memory to hash a password",
                advice: "free some memory and try again")
        }
        let voters = Roster.chooseVoters(configs.map { ($0.name, $0.rank, $0.trustClass == .core) })
        var identities: [Identity] = []
        for _ in configs { identities.append(Identity.generate(from: &entropy)) }
        var members: [Genesis.Member] = []
        for (config, identity) in zip(configs, identities) {
            let replica = entropy.bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            members.append(
                Genesis.Member(
                    name: config.name, node: identity.nodeID, replica: ReplicaID(replica), rank: config.rank,
                    isVoter: voters.contains(config.name), keys: identity.publicIdentity,
                    trustClass: config.trustClass))
        }
        let root = Identity.generate(from: &entropy)
        let genesis = GenesisRoot.name(Genesis(cluster: key.id, members: members), with: root)
        if let rootKeyFile { try PrivateFile.create(rootKeyFile, root.encodeKeyFile()) }
        for (config, identity) in zip(configs, identities) {
            try DataDirectory.makeDirectory(URL(fileURLWithPath: config.secretsFile).deletingLastPathComponent().path)
            let isCore = config.trustClass == .core
            let secrets = Secrets.encode(
                clusterKey: key, administrator: isCore ? (administrator, verifier.encoded) : nil)
            try PrivateFile.create(config.secretsFile, Array(secrets.utf8))
            try DataDirectory.provision(
                config.dataDirectory, identity: identity, genesis: genesis, coreKey: isCore ? coreKey : nil,
                dataKeys: isCore ? dataKeys : nil)
        }
        return Result(
            administrator: administrator, password: password, members: genesis.members,
            rootKey: rootKeyFile == nil ? String(decoding: root.encodeKeyFile(), as: UTF8.self) : nil)
    }

    /// The root key is for a drawer, not for a machine of the mesh.
    private static func checkRootKeyFile(_ file: String, _ configs: [NodeConfig]) throws(ConfigError) {
        let path = URL(fileURLWithPath: file).standardizedFileURL.path
        for config in configs
        where path.hasPrefix(URL(fileURLWithPath: config.dataDirectory).standardizedFileURL.path + "/") {
            throw ConfigError(
                file: file, problem: "lies in the data directory of \(config.name)",
                advice: "nothing was written; choose a place that no node can read")
        }
        guard !FileManager.default.fileExists(atPath: path) else {
            throw ConfigError(file: file, problem: "exists already", advice: "nothing was written; choose another file")
        }
    }

    private static func check(_ configs: [NodeConfig]) throws(ConfigError) {
        if let first = configs.first, !configs.contains(where: { $0.trustClass == .core }) {
            throw ConfigError(
                file: "configuration of \(first.name)", key: "class", problem: "every node is of class edge",
                advice: "a mesh needs a core node, one that is not easily stolen: it decides who belongs to the mesh")
        }
        for (position, config) in configs.enumerated() {
            if configs[..<position].contains(where: { $0.name == config.name }) {
                throw ConfigError(
                    file: config.dataDirectory, key: "name", problem: "two configurations are named '\(config.name)'",
                    advice: "give each node its own name")
            }
            if configs[..<position].contains(where: { $0.dataDirectory == config.dataDirectory }) {
                throw ConfigError(
                    file: config.dataDirectory, key: "data_dir", problem: "two configurations use it",
                    advice: "give each node its own directory")
            }
            for path in [config.secretsFile] where FileManager.default.fileExists(atPath: path) {
                throw ConfigError(
                    file: path, problem: "exists already", advice: "nothing was written; remove it to make a new mesh")
            }
            if DataDirectory.isProvisioned(config.dataDirectory) {
                throw ConfigError(
                    file: config.dataDirectory, key: "data_dir", problem: "is provisioned already",
                    advice: "nothing was written; remove the directory to make a new mesh")
            }
        }
    }
}
