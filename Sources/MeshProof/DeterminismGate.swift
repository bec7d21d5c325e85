import Foundation
import Simulator

/// `meshproof determinism`: the same seeds in this process, in another one, and in another build (debug against release)
/// must leave the same traces.
struct DeterminismGate {
    let seeds: ClosedRange<UInt64>
    /// Six seconds, three of them of trouble, no mending, and nobody who looks on: five seeds in the time of one.
    let isBrief: Bool

    /// Short runs: a difference anywhere is a difference at the end.
    private var fleet: SwarmFleet {
        var swarm = Swarm()
        swarm.duration = .seconds(isBrief ? 6 : 10)
        swarm.mends = !isBrief
        swarm.isOverheard = !isBrief
        swarm.checksEveryStep = false
        return SwarmFleet(swarm, workers: Proof.processors)
    }

    func printHashes() async {
        await fleet.run(seeds) { report in
            print("\(report.seed) \(Proof.hex(report.traceHash))")
            return true
        }
    }

    func compare(with other: String?) async throws {
        let own = CommandLine.arguments[0]
        let programs = [own, own] + (other.map { [$0] } ?? [])
        var outputs: [String] = []
        for program in programs {
            let child = try Child(
                program, ["hashes", "\(seeds.lowerBound)..\(seeds.upperBound)"] + (isBrief ? ["--brief"] : []))
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
