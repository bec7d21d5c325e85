import ArgumentParser
import Foundation
import Logging
import NodeCore

/// `meshnode run`: the agent itself.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run this machine's agent.",
        discussion: """
            Reads the configuration, recovers the replicated log and serves until SIGTERM or SIGINT. The data directory must
            have been made by 'meshnode init' before.
            """)

    @Option(help: "The node's YAML configuration; configs/README.md describes every key.")
    var config: String

    @Flag(help: .hidden)
    var untilInputEnds = false

    func run() async throws {
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

/// Turns an error into one line on standard error and a non-zero exit.
enum Failure {
    static func explained(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let exit as ExitCode {
            throw exit
        } catch {
            FileHandle.standardError.write(Data("meshnode: \(error)\n".utf8))
            throw ExitCode(1)
        }
    }
}

/// For agents that another program started: when its end of the pipe closes, this process asks itself to end.
enum InputWatch {
    static func endProcessWithInput() {
        Thread.detachNewThread {
            while !FileHandle.standardInput.availableData.isEmpty {}
            kill(getpid(), SIGTERM)
        }
    }
}
