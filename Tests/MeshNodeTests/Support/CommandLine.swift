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
        let (standardInput, output, complaints) = (Pipe(), Pipe(), Pipe())
        process.executableURL = try DemoProcess.binary()
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.environment = ProcessInfo.processInfo.environment
            .filter { !$0.key.hasPrefix("MESHNODE_") }.merging(environment) { $1 }
        process.standardInput = terminal ?? standardInput
        process.standardOutput = output
        process.standardError = complaints
        let record = Record()
        process.terminationHandler = { [record] process in
            let isSignal = process.terminationReason == .uncaughtSignal
            record.state.withLock { $0.status = process.terminationStatus + (isSignal ? 128 : 0) }
        }
        try process.runHearingSignals()
        output.fileHandleForReading.readOnThread { [record] data in record.take(data, \.output) }
        complaints.fileHandleForReading.readOnThread { [record] data in record.take(data, \.complaints) }
        try standardInput.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try standardInput.fileHandleForWriting.close()
        do {
            try await meanwhile? { String(decoding: record.state.withLock { $0.complaints }, as: UTF8.self) }
            return try await poll("meshnode \(arguments.joined(separator: " ")) ends", within: limit) { record.outcome }
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

        var outcome: CommandLine? {
            state.withLock { state in
                guard let status = state.status, state.openStreams == 0 else { return nil }
                return CommandLine(
                    status: status, output: String(decoding: state.output, as: UTF8.self),
                    complaints: String(decoding: state.complaints, as: UTF8.self))
            }
        }
    }
}
