import Foundation
import Simulator

/// `meshproof check`: anybody's history of registers, judged key by key.
enum HistoryJudge {
    /// `meshproof history`: what the clients of one seed saw, as the fleet plays it.
    static func write(seed: UInt64, to path: String) throws {
        let report = SwarmFleet(Swarm(), workers: 1).play(seed)
        let lines = report.history.events.map { $0.line + "\n" }.joined()
        try Data(lines.utf8).write(to: URL(fileURLWithPath: path))
    }

    static func judge(_ path: String) throws {
        let text = try String(contentsOf: URL(fileURLWithPath: path), encoding: .utf8)
        let events = try text.split(separator: "\n").map {
            try JSONDecoder().decode(HistoryEvent.self, from: Data($0.utf8))
        }
        var isGood = true
        for (key, operations) in try HistoryReader(events).registers {
            let verdict = LinearizabilityChecker.check(operations)
            isGood = isGood && verdict == .linearizable
            print("\(key): \(operations.count) operations, \(describe(verdict))")
        }
        if !isGood { exit(1) }
    }

    private static func describe(_ verdict: LinearizabilityChecker.Verdict) -> String {
        switch verdict {
        case .linearizable: "linearizable"
        case .impossible(let operation): "not linearizable: process \(operation.process), \(operation.action)"
        case .undecided: "undecided"
        }
    }
}
