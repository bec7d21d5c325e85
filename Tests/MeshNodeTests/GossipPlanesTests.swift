import MeshNode
import Testing

/// Real sockets and real time, and still hundreds of members' worth of traffic in one process.
@Suite("Gossip on loopback")
struct GossipPlanesTests {
    @Test("thirty planes in one process find each other, bury only the silent one, and hear the goodbye of another")
    func thirty() throws {
        let figure = try GossipPlanes.run(30, idleSeconds: 1)
        #expect(figure.formedSeconds != nil)
        #expect(figure.deadSeconds.count == 29)
        #expect(figure.leftSeconds.count == 28)
        #expect(figure.falseVerdicts == 0)
    }
}
