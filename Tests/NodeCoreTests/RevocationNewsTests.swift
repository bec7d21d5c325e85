import Authority
import NodeCore
import Primitives
import Testing

/// A stolen machine tells of revocations like any other.
@Suite("News of revocations")
struct RevocationNewsTests {
    private static let stolen = NodeID(high: 7, low: 3)

    private func news(by signer: UInt64, of node: NodeID = stolen, signature: UInt8 = 0) throws -> [UInt8] {
        var writer = ByteWriter()
        writer.write(NodeID(high: 7, low: signer))
        writer.write(UInt64(0))
        writer.writeRaw([UInt8](repeating: signature, count: SignedRecord.signatureByteCount))
        return RevocationNews([try Revocation(notice: writer.bytes, of: node)]).encode()
    }

    /// Who n1 takes for revoked, having heard this.
    private func revoked(_ news: [UInt8]) throws -> [NodeID] {
        let mesh = try BrainPair(3, edges: [1], kept: news)
        return mesh.ids.filter { mesh.brains[0].isRevoked($0) }
    }

    @Test("a core node's signature is believed; a false one, an edge node's or a stranger's is not")
    func signatures() throws {
        #expect(try revoked(news(by: 1)) == [Self.stolen])
        #expect(try revoked(news(by: 1, signature: 9)) == [])
        #expect(try revoked(news(by: 2)) == [])
        #expect(try revoked(news(by: 8)) == [])
        #expect(try revoked(news(by: 1, of: NodeID(high: 7, low: 9))) == [], "nobody of this mesh")
    }
}
