import ArgumentParser
import ChildProcesses
import Foundation
import Logging
import NodeCore

/// `meshnode run`: the agent itself.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run this machine's agent.",
        discussion: """
            Reads the configuration, recovers the replicated log and serves until SIGTERM or SIGINT. The data directory must
            have been made by 'meshnode init' or 'meshnode join' before.
            """)

    @Option(help: "The node's YAML configuration; configs/README.md describes every key.")
    var config: String

    @Flag(help: .hidden)
    var untilInputEnds = false

    func run() async throws {
        // Whatever this process creates is for its user alone.
        umask(0o077)
        if untilInputEnds { InputWatch.endProcessWithInput() }
        try await Failure.explained {
            let config = try ConfigFile.load(config)
            var logger = Logger(label: "meshnode")
            logger.logLevel = Logger.Level(rawValue: config.logLevel) ?? .notice
            logger[metadataKey: "node"] = "\(config.name)"
            try await Agent(config: config, logger: logger).run()
        }
    }
}
