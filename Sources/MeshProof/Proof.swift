import ChildProcesses
import Foundation
import Primitives
import Simulator

/// `meshproof`: the swarm, the planted bugs and the determinism gate, without the rest of the product, so that they build
/// in a minute. docs/PROOF.md says what came of them.
@main
struct Proof {
    private static let usage = """
        meshproof swarm A..B [--json]                  random faults, seed by seed; shrinks what fails
        meshproof mutations [--seeds N] [--only x,y]   plants bugs one by one and says what finds them (built with -DMUTATIONS)
        meshproof hashes A..B [--brief]                the trace hash of each seed; brief: 6 s of it, never mended
        meshproof determinism A..B OTHER [--brief]     the same hashes twice here, and by another build of meshproof
        meshproof history SEED FILE                    writes what the clients of one seed saw of values
        meshproof check FILE                           judges a history (JSON lines) by key
        meshproof trace SEED FILE [--bug NAME]         writes what the consensus of one seed did, for the model
        meshproof speed [MINUTES] [--heartbeat MS]     a healthy mesh with clients, on every processor
        """

    static func main() async {
        var arguments = Array(CommandLine.arguments.dropFirst())
        let command = arguments.isEmpty ? "" : arguments.removeFirst()
        do {
            if arguments.contains("--help") || ["", "help", "--help", "-h"].contains(command) { return print(usage) }
            switch command {
            case "swarm": try TrapWatch(seeds: range(arguments.first), isJSON: arguments.contains("--json")).run()
            case "swarm-part":
                InputWatch.endProcessWithInput()
                try await SwarmRunner(seeds: range(arguments.first), isJSON: arguments.contains("--json")).run()
            case "hashes": try await gate(arguments).printHashes()
            case "determinism":
                try await gate(arguments).compare(with: arguments.dropFirst().first { !$0.hasPrefix("--") })
            case "mutations":
                try await MutationSuite(
                    seedsMax: option("--seeds", in: arguments).flatMap(Int.init) ?? 200,
                    only: option("--only", in: arguments).map { $0.split(separator: ",").map(String.init) }
                ).run()
            case "mutant":
                InputWatch.endProcessWithInput()
                try await MutationSuite.runMutant(arguments)
            case "history":
                guard arguments.count == 2, let seed = UInt64(arguments[0]) else { throw ProofError(usage) }
                try HistoryJudge.write(seed: seed, to: arguments[1])
            case "check": try HistoryJudge.judge(arguments.first ?? "")
            case "trace":
                guard arguments.count >= 2, let seed = UInt64(arguments[0]) else { throw ProofError(usage) }
                try TraceWriter.write(seed: seed, to: arguments[1], bug: option("--bug", in: arguments))
            case "speed":
                let minutes = arguments.first.map { $0.hasPrefix("--") ? 30 : Int($0) ?? 0 } ?? 30
                let heartbeat = option("--heartbeat", in: arguments).map { Int($0) ?? 0 } ?? 60
                guard minutes > 0, (10...1000).contains(heartbeat) else { throw ProofError(usage) }
                try await SpeedTest(minutes: minutes, heartbeatMilliseconds: heartbeat).run()
            default: throw ProofError(usage)
            }
        } catch {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            exit(1)
        }
    }

    private static func gate(_ arguments: [String]) throws -> DeterminismGate {
        DeterminismGate(seeds: try range(arguments.first), isBrief: arguments.contains("--brief"))
    }

    private static func option(_ name: String, in arguments: [String]) -> String? {
        guard let place = arguments.firstIndex(of: name), place + 1 < arguments.count else { return nil }
        return arguments[place + 1]
    }

    private static func range(_ text: String?) throws -> ClosedRange<UInt64> {
        let ends = (text ?? "").split(separator: ".", omittingEmptySubsequences: true).map { UInt64($0) }
        guard ends.count == 2, let first = ends[0], let last = ends[1], first <= last, last < .max else {
            throw ProofError("'\(text ?? "")' is no range of seeds; write for example 1..100")
        }
        return first...last
    }

    static var processors: Int { max(1, ProcessInfo.processInfo.activeProcessorCount) }

    static func hex(_ hash: UInt64) -> String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// Why a command came to nothing, for a person.
struct ProofError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
