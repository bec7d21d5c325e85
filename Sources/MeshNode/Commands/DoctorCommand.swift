import ArgumentParser
import Foundation
import NodeCore
import Raft
import SecureChannel

/// `meshnode doctor`: looks at a node's files without changing any.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Check a node's configuration, secrets and log, read-only.",
        discussion: "Says what recovery would do with the log. Stop the agent first: it holds the log's lock.")

    @Option(help: "The node's YAML configuration.")
    var config: String

    func run() async throws {
        try await Failure.explained {
            let config = try ConfigFile.load(config)
            print("configuration  in order: \(config.name), \(config.peers.count) peers, \(config.backends.count) backends")
            _ = try Secrets.load(config.secretsFile)
            print("secrets        in order: \(config.secretsFile)")
            let data = try DataDirectory.open(config.dataDirectory, name: config.name)
            print("data directory in order: node \(data.identity.nodeID), \(data.roster.entries.count) members")
            guard let entry = data.roster.entry(of: data.identity.nodeID) else {
                preconditionFailure("DataDirectory.open checked that this node is in its roster")
            }
            guard data.hasStarted else {
                print("log            empty: this node was provisioned and has never run")
                return
            }
            let directory = try DurableDirectory(path: data.logPath)
            let recovery = try WriteAheadLog.recover(
                from: directory, cluster: data.roster.cluster, replica: entry.replica)
            for line in recovery.report() { print("log            \(line)") }
        }
    }
}
