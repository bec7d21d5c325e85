import ArgumentParser
import Foundation
import NodeCore

/// `meshnode init`: makes a mesh out of configuration files.
struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make a new mesh out of its nodes' configurations.",
        discussion: """
            Give the configurations of all nodes at once. Each data directory receives its node's keys and the common genesis,
            each secrets file the cluster key and the first administrator. Copy every directory and secrets file to its
            machine. Nothing that exists is overwritten. The administrator's password is printed once.

            The root key names the mesh's first core nodes in the genesis: no node starts from a genesis that names another. Later
            ones are named by core nodes.
            """)

    @Argument(help: "The configuration files of all nodes.")
    var configs: [String]

    @Option(help: "Name of the first administrator.")
    var admin = "admin"

    @Option(help: "A file for the root key, to be kept offline. Without it, the key is printed once.")
    var rootKey: String?

    @Flag(help: "Print one line of JSON.")
    var json = false

    func run() async throws {
        try await Failure.explained {
            var loaded: [NodeConfig] = []
            for path in configs { loaded.append(try ConfigFile.load(path)) }
            let result = try Provisioning.run(loaded, administrator: admin, rootKeyFile: rootKey)
            if json {
                try JSONLine.write(
                    Made(
                        user: result.administrator, password: result.password, rootKey: result.rootKey,
                        nodes: result.members))
            } else {
                for member in result.members {
                    print(
                        "\(member.name)  \(member.isVoter ? "voter" : "observer")  rank \(member.rank)  \(member.node)")
                }
                print("\nSign in as \(result.administrator) with the password \(result.password)")
                print("It is not kept anywhere: note it now. Start each node with 'meshnode run --config FILE'.")
                if let key = result.rootKey {
                    print(
                        "\nThe root key, which has named the core nodes. Keep it offline; no machine keeps it:\n\n\(key)"
                    )
                }
            }
        }
    }

    private struct Made: Encodable {
        let user: String
        let password: String
        let rootKey: String?
        let nodes: [Genesis.Member]
    }
}

/// One JSON document a line on standard output, flushed at once: for programs that read along.
enum JSONLine {
    static func write(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        FileHandle.standardOutput.write(try encoder.encode(value) + Data("\n".utf8))
    }
}
