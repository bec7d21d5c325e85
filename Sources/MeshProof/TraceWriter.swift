import Foundation
import Primitives
import Simulator

/// `meshproof trace`: what the consensus of a small mesh did in one seed, as JSON lines, for the model to judge
/// (models/README.md). The first line says how many nodes there are.
enum TraceWriter {
    private struct Heading: Encodable {
        let seed: UInt64
        let nodes: Int
    }

    static func write(seed: UInt64, to path: String, bug: String?) throws {
        try plant(bug)
        let run = ProtocolRun(seed: seed)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        var text = try encoder.encode(Heading(seed: seed, nodes: run.nodes))
        for line in run.trace.lines {
            text.append(UInt8(ascii: "\n"))
            text.append(try encoder.encode(line))
        }
        text.append(UInt8(ascii: "\n"))
        try text.write(to: URL(fileURLWithPath: path))
    }

    private static func plant(_ name: String?) throws {
        guard let name else { return }
        #if MUTATIONS
            PlantedBug.current = PlantedBug(rawValue: name)
            guard PlantedBug.current != nil else { throw ProofError("no bug \(name)") }
        #else
            throw ProofError("this build holds no bugs to plant: build with -Xswiftc -DMUTATIONS")
        #endif
    }
}
