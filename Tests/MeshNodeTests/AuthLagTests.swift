import MeshNode
import Primitives
import Testing

/// A session that was granted by an entry which this node has yet to apply.
@Suite("A sign-in that is newer than the node", .timeLimit(.minutes(1)))
struct AuthLagTests {
    /// Signs in bob, so that the node's signing key is known, then ada, whose session the node does not know yet.
    private func tokenFromTheFuture(_ node: TestNode) async throws -> [String: String] {
        _ = try await node.login("bob", TestNode.bobPassword)
        node.core.lag()
        return try await node.bearer()
    }

    @Test("is waited for until it is applied: nobody has to sign in again for asking another node at once")
    func waits() async throws {
        try await TestNode.run { node async throws in
            let bearer = try await tokenFromTheFuture(node)
            async let reply = node.get("/mesh/v1/auth/me", bearer)
            try await Task.sleep(for: .milliseconds(200))
            node.core.catchUp()
            #expect(try await reply.status == 200)
            #expect(try await reply.json["username"] as? String == "ada")
        }
    }

    @Test("and if it is not applied in time the answer is to try again, not that the session is over")
    func givesUp() async throws {
        try await TestNode.run { node async throws in
            let bearer = try await tokenFromTheFuture(node)
            let reply = try await node.get("/mesh/v1/auth/me", bearer)
            #expect(reply.status == 503, "\(reply.body)")
            #expect(reply.problem != nil)
            node.core.catchUp()
            #expect(try await node.get("/mesh/v1/auth/me", bearer).status == 200)
        }
    }

    @Test("a node that reaches no primary says so at once")
    func cutOff() async throws {
        try await TestNode.run { node async throws in
            let bearer = try await tokenFromTheFuture(node)
            node.core.losePrimary()
            let reply = try await node.get("/mesh/v1/auth/me", bearer)
            #expect(reply.status == 503, "\(reply.body)")
        }
    }
}
