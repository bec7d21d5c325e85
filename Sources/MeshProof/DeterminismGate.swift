import Foundation
import Simulator

/// `meshproof determinism`: the same seeds in this process, in another one, and in another build (debug against release)
/// must leave the same traces.
enum DeterminismGate {
    /// Short runs: a difference anywhere is a difference at the end.
    private static var fleet: SwarmFleet {
        var swarm = Swarm()
        swarm.duration = .seconds(10)
        swarm.checksEveryStep = false
        return SwarmFleet(swarm, workers: Proof.processors)
    }

    static func printHashes(_ seeds: ClosedRange<UInt64>) async {
        await fleet.run(seeds) { report in
            print("\(report.seed) \(Proof.hex(report.traceHash))")
            return true
        }
    }

    static func compare(_ seeds: ClosedRange<UInt64>, other: String?) async throws {
        let own = CommandLine.arguments[0]
        let programs = [own, own] + (other.map { [$0] } ?? [])
        var outputs: [String] = []
        for program in programs {
            let child = try Child(program, ["hashes", "\(seeds.lowerBound)..\(seeds.upperBound)"])
            outputs.append(child.finish().output)
        }
        let first = outputs[0].split(separator: "\n")
        guard first.count == seeds.count else { throw ProofError("only \(first.count) of \(seeds.count) seeds ended") }
        for (program, output) in zip(programs, outputs).dropFirst() {
            let lines = output.split(separator: "\n")
            guard lines != first else { continue }
            let difference = zip(first, lines).first { $0 != $1 }
            throw ProofError("\(program) differs: \(difference.map { "\($0) and \($1)" } ?? "\(lines.count) lines")")
        }
        print("\(seeds.count) seeds, \(programs.count) processes of \(Set(programs).count) builds: the same traces")
    }
}

/// A process of our own, and what it says.
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
    private let output = Pipe()
    private let errors = Pipe()

    init(_ program: String, _ arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = errors
        // A trap shows where it was, and no more.
        var environment = ProcessInfo.processInfo.environment
        environment["SWIFT_BACKTRACE"] =
            "enable=yes,threads=crashed,registers=none,images=none,color=no,interactive=no,limit=16,output-to=stderr"
        process.environment = environment
        try process.run()
    }

    /// Waits for its end. What it says must fit the pipes' buffers in turn: first all output is read, then the errors.
    func finish() -> End {
        let said = output.fileHandleForReading.readDataToEndOfFile()
        let complaints = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return End(
            output: String(decoding: said, as: UTF8.self), errors: String(decoding: complaints, as: UTF8.self),
            status: process.terminationStatus, isSignal: process.terminationReason == .uncaughtSignal)
    }
}
