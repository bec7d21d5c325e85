import Authority
import Foundation
import NodeCore
import Primitives
import SecureChannel
import Yams

/// What only this machine's user may read, in a file of its own with mode 0600.
struct Secrets: Sendable {
    /// The 32 bytes that the mesh began with; nil on a node that joined later.
    let clusterSecret: SecretBytes?
    /// The first administrator, created by the first primary of a mesh that has no users yet.
    let administrator: (name: UserName, verifier: PasswordVerifier)?
    /// Values that backends name in `api_key_secret`.
    let backendKeys: [String: String]

    static func load(_ path: String) throws(ConfigError) -> Secrets {
        try PrivateFile.checkMode(path)
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ConfigError(
                file: path, problem: "cannot be read",
                advice: "'meshnode init' makes it with a new mesh, 'meshnode join' with a place in one that exists; or "
                    + "correct secrets_file in the configuration")
        }
        var root = try ConfigSection.load(path, text: String(decoding: data, as: UTF8.self))
        let clusterSecret = try parseClusterSecret(&root)
        let administrator = try parseAdministrator(&root)
        var keys: [String: String] = [:]
        for var entry in try root.sections("backend_keys") {
            keys[try entry.required("name", example: "vllm")] = try entry.required("key", example: "sk-...")
            try entry.finish()
        }
        try root.finish()
        return Secrets(
            clusterSecret: clusterSecret, administrator: administrator, backendKeys: keys)
    }

    private static func parseClusterSecret(_ root: inout ConfigSection) throws(ConfigError) -> SecretBytes? {
        guard let hex = try root.string("cluster_key") else { return nil }
        guard var bytes = Hex.decode(hex), bytes.count == ClusterKey.secretByteCount else {
            throw root.error(
                "cluster_key", "is not 64 hexadecimal digits", advice: "copy it from another node's secrets file")
        }
        defer { SecretBytes.erase(&bytes) }
        guard Set(bytes).count > 4 else {
            throw root.error(
                "cluster_key", "is a default or trivial key", advice: "make a random one with 'meshnode init'")
        }
        return SecretBytes(copying: bytes)
    }

    private static func parseAdministrator(
        _ root: inout ConfigSection
    ) throws(ConfigError) -> (name: UserName, verifier: PasswordVerifier)? {
        guard let text = try root.string("admin_user") else { return nil }
        let encoded = try root.required("admin_verifier", example: "$argon2id$...")
        guard let name = UserName(text) else {
            throw root.error("admin_user", "found '\(text)'", advice: "write 1 to 64 bytes without control characters")
        }
        guard let verifier = PasswordVerifier(encoded: encoded) else {
            throw root.error("admin_verifier", "is no Argon2id verifier", advice: "make one with 'meshnode init'")
        }
        return (name, verifier)
    }

    /// The text of a new secrets file. An edge node is not told of the administrator.
    static func encode(clusterKey: ClusterKey, administrator: (name: String, verifier: String)?) -> String {
        let cluster = """
            # Secrets of one MeshNode cluster. Mode 0600; never commit it, never send it in clear.
            cluster_key: \(clusterKey.secret.withUnsafeBytes { Hex.encode($0) })

            """
        guard let administrator else { return cluster }
        return cluster + """
            # The first administrator: created once, when the mesh has no users. The password itself is not kept.
            admin_user: \(administrator.name)
            admin_verifier: "\(administrator.verifier)"

            """
    }
}
