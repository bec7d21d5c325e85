import NIOCore
import NIOHTTP1
import Primitives

/// Asks another node's HTTP port a whole question, in a sealed stream.
package struct PeerAsker: Sendable {
    let gateway: Gateway

    func callAsFunction(
        _ node: NodeID, _ endpoint: Endpoint, _ head: HTTPRequestHead, _ body: ByteBuffer
    ) async throws(CollectFailure) -> CollectedReply {
        try await gateway.ask(node, at: endpoint, head, body: body)
    }
}
