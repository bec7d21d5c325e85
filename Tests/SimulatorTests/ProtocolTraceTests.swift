import Primitives
import Simulator
import Testing

/// What the model of the protocol is given to judge (models/README.md).
@Suite("Traces of the protocol")
struct ProtocolTraceTests {
    @Test("one seed tells one story", arguments: [UInt64(1), 2])
    func determinism(seed: UInt64) {
        let run = ProtocolRun(seed: seed, duration: .seconds(10))
        #expect(run.violations.isEmpty)
        #expect(run.trace.lines == ProtocolRun(seed: seed, duration: .seconds(10)).trace.lines)
    }

    @Test("a line keeps no more of the log than there was, and a write ends only after it began")
    func consistency() {
        let run = ProtocolRun(seed: 4, duration: .seconds(20))
        var lengths = Array(repeating: 0, count: run.nodes + 1)
        var isWriting = Array(repeating: false, count: run.nodes + 1)
        for line in run.trace.lines {
            #expect(line.kept <= lengths[line.node])
            #expect(!line.hasWritten || isWriting[line.node])
            lengths[line.node] = line.kept + line.appended.count
            isWriting[line.node] =
                line.writesThrough != nil || (isWriting[line.node] && !line.hasWritten && !line.isStart)
        }
        #expect(run.trace.lines.contains { $0.isStart && $0.term > 0 }, "nobody was started again")
        #expect(run.trace.lines.contains { $0.isLeaseForfeited }, "nobody handed over")
    }
}
