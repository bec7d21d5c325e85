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
    }

    /// All or nothing: refuses before writing if any directory or secrets file exists.
    static func run(_ configs: [NodeConfig], administrator: String, password: String? = nil) throws(ConfigError)
        -> Result
    {
        try check(configs)
        var entropy = SodiumEntropy()
        let key = ClusterKey.generate(from: &entropy)
        let password = password ?? entropy.token(byteCount: 15)
        let verifier: String
        do {
            verifier = try PasswordHash.make(password)
        } catch {
            throw ConfigError(
                file: configs[0].secretsFile, problem: "\(error)", advice: "free some memory and try again")
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
        let genesis = Genesis(cluster: key.id, members: members)
        let secrets = Secrets.encode(clusterKey: key, administrator: (administrator, verifier))
        for (config, identity) in zip(configs, identities) {
            try DataDirectory.makeDirectory(URL(fileURLWithPath: config.secretsFile).deletingLastPathComponent().path)
            try PrivateFile.create(config.secretsFile, Array(secrets.utf8))
            try DataDirectory.provision(config.dataDirectory, identity: identity, genesis: genesis)
        }
        return Result(administrator: administrator, password: password, members: genesis.members)
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
