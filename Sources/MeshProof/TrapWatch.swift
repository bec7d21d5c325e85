import Foundation

/// Plays a swarm in a child, which says on its output which seeds it begins and ends. If it traps, the seeds that were
/// under way are played again, one by one, until the one that traps is known.
struct TrapWatch {
    enum Moment: String {
        case begun = "@begun"
        case ended = "@ended"
    }

    let seeds: ClosedRange<UInt64>
    let isJSON: Bool

    /// What a child says. Lines of one write, since several threads play.
    static func note(_ moment: Moment, _ seed: UInt64) {
        FileHandle.standardOutput.write(Data("\(moment.rawValue) \(seed)\n".utf8))
    }

    func run() throws {
        let (status, suspects) = try play(seeds, isAloud: true)
        guard let suspects else { exit(status) }
        for seed in suspects {
            guard try play(seed...seed, isAloud: false).suspects != nil else { continue }
            throw ProofError("FAILED  seed \(seed): a trap\nreplay: meshproof swarm \(seed)..\(seed)")
        }
        throw ProofError("FAILED  a trap that none of the seeds \(suspects) shows alone")
    }

    /// Passes on what the child says. The seeds that it had not ended, if it ended by a trap.
    private func play(_ seeds: ClosedRange<UInt64>, isAloud: Bool) throws -> (status: Int32, suspects: [UInt64]?) {
        let child = try Child(
            CommandLine.arguments[0],
            ["swarm-part", "\(seeds.lowerBound)..\(seeds.upperBound)"] + (isJSON ? ["--json"] : []),
            hidesErrors: !isAloud)
        var underWay: Set<UInt64> = []
        let end = child.finish { line in
            if !take(line, &underWay), isAloud { print(line) }
        }
        guard end.isSignal else { return (end.status, nil) }
        if end.isTrap { return (end.status, underWay.sorted()) }
        throw ProofError("the seeds were not played to their end: their process was ended by signal \(end.status)")
    }

    /// False: not a line for us.
    private func take(_ line: String, _ underWay: inout Set<UInt64>) -> Bool {
        let words = line.split(separator: " ")
        guard words.count == 2, let moment = Moment(rawValue: String(words[0])), let seed = UInt64(words[1]) else {
            return false
        }
        switch moment {
        case .begun: underWay.insert(seed)
        case .ended: underWay.remove(seed)
        }
        return true
    }
}
