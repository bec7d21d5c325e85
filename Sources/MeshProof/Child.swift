import ChildProcesses
import Foundation

/// A process of our own program, and what it says. It ends when this one does, however this one ends: its input is a pipe
/// that closes then (`InputWatch`).
final class Child {
    /// How it ended. A trap is a process ended by its own fault; a kill, for want of memory or by a person, is none.
    struct End {
        let output: String
        let errors: String
        let status: Int32
        let isSignal: Bool
        var isTrap: Bool {
            isSignal && [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE].contains(status)
        }
    }

    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private let errors: Pipe?

    init(_ program: String, _ arguments: [String], hidesErrors: Bool = true) throws {
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        errors = hidesErrors ? Pipe() : nil
        if let errors { process.standardError = errors }
        // A trap shows where it was, and no more.
        var environment = ProcessInfo.processInfo.environment
        environment["SWIFT_BACKTRACE"] =
            "enable=yes,threads=crashed,registers=none,images=none,color=no,interactive=no,limit=16,output-to=stderr"
        process.environment = environment
        try process.runHearingSignals()
        // Only the child reads there: its end is this process's alone to close.
        try? input.fileHandleForReading.close()
    }

    /// Waits for its end. All output is read first, so what it complains of must fit a pipe's buffer.
    /// - Parameter take: is handed each line as it comes; the lines are kept where nobody takes them.
    func finish(take: ((String) -> Void)? = nil) -> End {
        var said = Data()
        while case let data = output.fileHandleForReading.availableData, !data.isEmpty {
            said += data
            guard let take else { continue }
            while let end = said.firstIndex(of: 0x0A) {
                take(String(decoding: said[..<end], as: UTF8.self))
                said = Data(said[said.index(after: end)...])
            }
        }
        let complaints = errors?.fileHandleForReading.readDataToEndOfFile() ?? Data()
        process.waitUntilExit()
        return End(
            output: String(decoding: said, as: UTF8.self), errors: String(decoding: complaints, as: UTF8.self),
            status: process.terminationStatus, isSignal: process.terminationReason == .uncaughtSignal)
    }
}
