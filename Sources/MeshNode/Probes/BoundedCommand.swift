import ChildProcesses
import Foundation
import Primitives

/// Runs a short command and returns what it printed, within a limit of time and size. Blocks its caller.
package enum BoundedCommand {
    private static let outputBytesMax = 64 << 10

    /// The path of an executable: `name` itself if it holds a slash, else the first match in `PATH`.
    package static func find(_ name: String) -> String? {
        let candidates: [String]
        if name.contains("/") {
            candidates = [name]
        } else {
            let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
            candidates = path.split(separator: ":").map { "\($0)/\(name)" }
        }
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Nil if it cannot be started, fails, prints too much or is not done by the limit; it is then killed.
    package static func run(_ path: String, arguments: [String], timeLimit: Duration) -> String? {
        let process = Process()
        let pipe = Pipe()
        let isDone = DispatchSemaphore(value: 0)
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        process.terminationHandler = { _ in isDone.signal() }
        guard (try? process.runHearingSignals()) != nil else { return nil }
        // One that prints more than the pipe holds blocks, and so runs into the limit.
        guard isDone.wait(timeout: .now() + timeLimit.inSeconds) == .success else {
            kill(process.processIdentifier, SIGKILL)
            return nil
        }
        guard process.terminationReason == .exit, process.terminationStatus == 0 else { return nil }
        return drain(pipe.fileHandleForReading.fileDescriptor)
    }

    /// What lies in the pipe now. Never waits for its end, which a grandchild could hold open.
    private static func drain(_ descriptor: Int32) -> String? {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        var output = [UInt8](repeating: 0, count: outputBytesMax)
        var used = 0
        while used < output.count {
            let count = output.withUnsafeMutableBytes { buffer in
                Foundation.read(descriptor, buffer.baseAddress.map { $0 + used }, buffer.count - used)
            }
            guard count > 0 else { return String(validating: output[..<used], as: UTF8.self) }
            used += count
        }
        return nil
    }
}
