import Simulator
import Testing

@Suite("Frames of an attacker who has recorded everything")
struct HostileFrameTests {
    @Test(
        "nothing mutated, replayed or invented opens, moves an address or stops the honest",
        arguments: 1...8 as ClosedRange<UInt64>)
    func hostile(seed: UInt64) {
        var attack = HostileFrames(seed: seed)
        let report = attack.run(20_000)
        #expect(report.accepted == 0)
        #expect(report.movedAddresses == 0)
        #expect(report.lostHonest == 0)
        #expect(report.largestAnswerPermille <= 630)
        #expect(report.restarts > 0 && report.rotations > 0 && report.replayed > 1000)
    }
}
