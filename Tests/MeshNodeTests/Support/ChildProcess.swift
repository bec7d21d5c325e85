import ChildProcesses
import Foundation
import MeshNode
import Synchronization

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// A program that a test started: what it has said so far, its end, and the way to end it.
///
/// Its standard input is a pipe whose other end is here, so that a program that watches its input ends with the tests,
/// even when those are killed.
final class ChildProcess: Sendable {
    private static let outputBytesMax = 4 << 20
    private static let stopLimit: Duration = .seconds(10)

    struct Outcome: Sendable {
        /// The exit status, or 128 and the signal that ended it.
        let status: Int32
        let output: String
        let complaints: String
    }

    private struct State {
        var output = Data()
        var complaints = Data()
        var openStreams = 2
        var status: Int32?
    }

    /// Shared with the handlers of Foundation, which outlive nothing else.
    private final class Record: Sendable {
        let state = Mutex(State())
    }

    let pid: Int32
    private let record = Record()
    private let input: FileHandle

    init(_ program: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.terminationHandler = { [record] process in
            let isSignal = process.terminationReason == .uncaughtSignal
            let status = process.terminationStatus + (isSignal ? 128 : 0)
            record.state.withLock { $0.status = status }
        }
        let (input, output, complaints) = try Process.oneAtATime {
            let pipes = (Pipe(), Pipe(), Pipe())
            process.standardInput = pipes.0
            process.standardOutput = pipes.1
            process.standardError = pipes.2
            try process.runHearingSignals()
            return pipes
        }
        pid = process.processIdentifier
        self.input = input.fileHandleForWriting
        Self.read(output.fileHandleForReading) { [record] data in
            record.state.withLock { Self.note(data, in: &$0, \.output) }
        }
        Self.read(complaints.fileHandleForReading) { [record] data in
            record.state.withLock { Self.note(data, in: &$0, \.complaints) }
        }
    }

    /// The agent that was built with these tests.
    static func meshNode(_ arguments: [String]) throws -> ChildProcess {
        try ChildProcess(DemoProcess.binary().path, arguments)
    }

    /// Runs a program to its end. One that takes longer is ended, and the test fails.
    static func run(_ program: String, _ arguments: [String], within limit: Duration = .seconds(20)) async throws
        -> Outcome
    {
        let child = try ChildProcess(program, arguments)
        do {
            return try await child.outcome(within: limit)
        } catch {
            await child.stop()
            throw error
        }
    }

    static func runMeshNode(_ arguments: [String], within limit: Duration = .seconds(20)) async throws -> Outcome {
        try await run(DemoProcess.binary().path, arguments, within: limit)
    }

    var output: String { String(decoding: record.state.withLock { $0.output }, as: UTF8.self) }
    var complaints: String { String(decoding: record.state.withLock { $0.complaints }, as: UTF8.self) }
    var hasEnded: Bool { record.state.withLock { $0.status != nil } }

    /// Waits for its end and for the last it had to say.
    func outcome(within limit: Duration) async throws -> Outcome {
        try await poll("process \(pid) ends", within: limit) {
            self.record.state.withLock { state in
                guard let status = state.status, state.openStreams == 0 else { return nil }
                return Outcome(
                    status: status, output: String(decoding: state.output, as: UTF8.self),
                    complaints: String(decoding: state.complaints, as: UTF8.self))
            }
        }
    }

    func signal(_ number: Int32) {
        guard !hasEnded else { return }  // its number may be another's by now
        kill(pid, number)
    }

    /// Asks it to end, and insists if it does not.
    func stop() async {
        signal(SIGTERM)
        let deadline = ContinuousClock.now + Self.stopLimit
        while !hasEnded, ContinuousClock.now < deadline { await restABit() }
        signal(SIGKILL)
        while !hasEnded, ContinuousClock.now < deadline + Self.stopLimit { await restABit() }
        try? input.close()
    }

    private static func note(_ data: Data, in state: inout State, _ stream: WritableKeyPath<State, Data>) {
        if data.isEmpty { state.openStreams -= 1 }
        if state[keyPath: stream].count < outputBytesMax { state[keyPath: stream] += data }
    }

    private static func read(_ handle: FileHandle, _ take: @escaping @Sendable (Data) -> Void) {
        handle.readOnThread(take)
    }
}

/// True while a process with this number exists. A zombie, whose parent has not looked yet, counts as gone.
func processRuns(_ pid: Int32) -> Bool {
    guard kill(pid, 0) == 0 else { return false }
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return true }
    return text.split(separator: ")").last?.split(separator: " ").first != "Z"
}
