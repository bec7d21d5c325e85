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

    @Flag(help: "Print JSON, for programs.")
    var json = false

    func run() async throws {
        try await Failure.explained(json: json) {
            let config = try ConfigFile.load(config)
            note(
                "configuration",
                "in order: \(config.name), peers: \(config.peers.count), backends: \(config.backends.count)")
            let secrets = try Secrets.load(config.secretsFile)
            note("secrets", "in order: \(config.secretsFile)")
            try HTTPService.check(config.http)
            if let certificate = config.http.certificateFile { note("certificate", "in order: \(certificate)") }
            for backend in try Gateway.openBackends(config, keys: secrets.backendKeys) {
                note("backend", "in order: \(backend.config.name); it was not asked")
            }
            let data = try DataDirectory.open(config.dataDirectory, name: config.name)
            guard !data.roster.isRevoked(data.identity.nodeID) else {
                throw ConfigError(
                    file: config.dataDirectory, problem: "this node was revoked: no node of the mesh speaks with it",
                    advice: "if that was a mistake, let the machine join anew, with another data_dir")
            }
            note("data directory", "in order: node \(data.identity.nodeID), members: \(data.roster.present.count)")
            let directory = try DurableDirectory(path: data.logPath)
            let recovery = try WriteAheadLog.recover(
                from: directory, cluster: data.roster.cluster,
                replica: try LogRecovery.bound(to: directory, data: data))
            for line in recovery.report() { note("log", line) }
        }
    }

    /// A line for people, or `{"part", "finding"}`.
    private func note(_ part: String, _ finding: String) {
        if json {
            let document = JSONValue.object(["part": .string(part), "finding": .string(finding)])
            print(String(decoding: document.encode(), as: UTF8.self))
        } else {
            print(part.padding(toLength: 15, withPad: " ", startingAt: 0) + finding)
        }
    }
}
