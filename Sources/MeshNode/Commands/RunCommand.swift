import ArgumentParser
import ChildProcesses
import Foundation
import Logging
import NIOCore
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
        NIOSingletons.groupLoopCountSuggestion = Self.eventLoopCount(
            cores: ProcessInfo.processInfo.activeProcessorCount)
        if untilInputEnds { InputWatch.endProcessWithInput() }
        try await Failure.explained {
            let config = try ConfigFile.load(config)
            var logger = Logger(label: "meshnode")
            logger.logLevel = Logger.Level(rawValue: config.logLevel) ?? .notice
            logger[metadataKey: "node"] = "\(config.name)"
            try await Agent(config: config, logger: logger).run()
        }
    }

    /// Of HTTP connections. The brain's loop, the disk and a model server want processors too, and what meets on one loop
    /// is asked of the brain at once: two loops on two cores make writes and reads of values slower, not faster.
    static func eventLoopCount(cores: Int) -> Int { min(max(cores / 2, 1), 4) }
}
