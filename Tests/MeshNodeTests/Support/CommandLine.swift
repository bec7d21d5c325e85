import ChildProcesses
import Foundation
import MeshNode
import Synchronization

/// One run of `meshnode` as a person or a script would start it: with text on standard input, in a folder, and with
/// nothing about meshes in the environment but what the test says.
struct CommandLine {
    let status: Int32
    let output: String
    let complaints: String

    /// Its only document.
    var json: JSONDocument { Self.document(output) }
    /// The document that a failure is with `--json`.
    var complaint: JSONDocument { Self.document(complaints) }
    var lines: [String] { output.split(separator: "\n").map(String.init) }
    var description: String { "exit \(status)\n\(output)\(complaints)" }

    private static func document(_ text: String) -> JSONDocument {
        (try? JSONDecoder().decode(JSONDocument.self, from: Data(text.utf8))) ?? .null
    }

    /// - Parameter terminal: standard input instead of `input`.
    static func run(
        _ arguments: [String], input: String = "", environment: [String: String] = [:], in folder: URL? = nil,
        terminal: FileHandle? = nil, within limit: Duration = .seconds(30),
        meanwhile: (@Sendable (_ complaints: () -> String) async throws -> Void)? = nil
    ) async throws -> CommandLine {
        let process = Process()
        process.executableURL = try DemoProcess.binary()
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.environment = ProcessInfo.processInfo.environment
            .filter { !$0.key.hasPrefix("MESHNODE_") }.merging(environment) { $1 }
        let record = Record()
        process.terminationHandler = { [record] process in
            let isSignal = process.terminationReason == .uncaughtSignal
            record.state.withLock { $0.status = process.terminationStatus + (isSignal ? 128 : 0) }
        }
        let (standardInput, output, complaints) = try Process.oneAtATime {
            let pipes = (Pipe(), Pipe(), Pipe())
            process.standardInput = terminal ?? pipes.0
            process.standardOutput = pipes.1
            process.standardError = pipes.2
            try process.runHearingSignals()
            return pipes
        }
        output.fileHandleForReading.readOnThread { [record] data in record.take(data, \.output) }
        complaints.fileHandleForReading.readOnThread { [record] data in record.take(data, \.complaints) }
        try standardInput.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try standardInput.fileHandleForWriting.close()
        do {
            try await meanwhile? { String(decoding: record.state.withLock { $0.complaints }, as: UTF8.self) }
            return try await poll("meshnode \(arguments.joined(separator: " ")) ends", within: limit) {
                try record.outcome()
            }
        } catch {
            process.terminate()
            throw error
        }
    }

    private final class Record: Sendable {
        struct State {
            var output = Data()
            var complaints = Data()
            var openStreams = 2
            var status: Int32?
        }

        let state = Mutex(State())

        func take(_ data: Data, _ stream: WritableKeyPath<State, Data>) {
            state.withLock { state in
                if data.isEmpty { state.openStreams -= 1 }
                state[keyPath: stream] += data
            }
        }

        /// Throws what is known so far of one that has not ended.
        func outcome() throws -> CommandLine {
            try state.withLock { state in
                let told = CommandLine(
                    status: state.status ?? -1, output: String(decoding: state.output, as: UTF8.self),
                    complaints: String(decoding: state.complaints, as: UTF8.self))
                guard state.status != nil, state.openStreams == 0 else {
                    throw DemoTrouble("so far \(told.description), \(state.openStreams) streams open")
                }
                return told
            }
        }
    }
}
