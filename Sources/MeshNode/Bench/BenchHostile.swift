import ArgumentParser
import Primitives
import SecureChannel
import Simulator

/// `meshnode bench hostile`: mutated and replayed frames against two nodes that talk, rekey and restart.
struct BenchHostile: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hostile", abstract: "Mutated and replayed frames; fails if one is accepted.")

    @Option(help: "Hostile frames.")
    var frames = 10_000_000

    @Option(help: "Seed of the run.")
    var seed: UInt64 = 1

    func validate() throws {
        guard 1...1_000_000_000 ~= frames else { throw ValidationError("--frames takes 1 to 1,000,000,000") }
    }

    func run() throws {
        let clock = ContinuousClock()
        let start = clock.now
        var attack = HostileFrames(seed: seed)
        let report = attack.run(frames)
        try JSONLine.write(
            Line(
                bench: "hostile", frames: report.hostile, replayed: report.replayed, restarts: report.restarts,
                rotations: report.rotations, honest: report.honest, accepted: report.accepted,
                movedAddresses: report.movedAddresses,
                lostHonest: report.lostHonest, answers: report.answers,
                largestAnswerShare: Double(report.largestAnswerPermille) / 1000,
                framesPerSecond: Double(report.hostile) / (clock.now - start).inSeconds))
        guard report.accepted + report.movedAddresses + report.lostHonest == 0 else { throw ExitCode.failure }
    }

    private struct Line: Encodable {
        let bench: String
        let frames: Int
        let replayed: Int
        let restarts: Int
        let rotations: Int
        let honest: Int
        let accepted: Int
        let movedAddresses: Int
        let lostHonest: Int
        let answers: Int
        let largestAnswerShare: Double
        let framesPerSecond: Double
    }
}
