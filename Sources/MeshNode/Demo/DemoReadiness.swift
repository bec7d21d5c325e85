import Foundation
import Primitives

/// When the demo may call itself ready: every node names aurora, sign-in works, and a model can be routed to from each.
enum DemoReadiness {
    struct Line: Encodable {
        let ready = true
        let primary: String
        let user: String
        let password: String
        let apiKey: String
        let models: [String]
    }

    /// Polls, since it watches other processes from outside, as a client would.
    /// A child that ends before the mesh is ready could not start: somebody else may be answering on its port.
    static func wait(
        _ nodes: [DemoNode], _ children: DemoChildren, account: DemoAccount, atMost limit: Duration
    ) async throws -> Line {
        let deadline = ContinuousClock.now + limit
        var obstacle = "nothing was tried"
        while ContinuousClock.now < deadline {
            for node in nodes {
                if let failure = children.failure(of: node.name) { throw failure }
            }
            do {
                return try await check(nodes, account: account)
            } catch let failure as DemoFailure {
                obstacle = failure.description
            } catch let refused as MeshClient.Refused {
                obstacle = refused.description
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                obstacle = "\(error)"
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw DemoFailure("the mesh was not ready within \(limit.spelled): \(obstacle); the nodes' logs are beside their data")
    }

    private static func check(_ nodes: [DemoNode], account: DemoAccount) async throws -> Line {
        let key = try await account.apiKey(at: nodes[0].http)
        var models: [String] = []
        for node in nodes {
            let client = MeshClient(base: node.http, token: key)
            let status = try await client.status()
            guard let primary = status.primary, primary == nodes[0].name else {
                throw DemoFailure("\(node.name) names \(status.primary ?? "nobody") as primary, not \(nodes[0].name)")
            }
            let alive = status.members.filter { $0.state == "alive" && $0.http != nil }.count
            guard alive == nodes.count else { throw DemoFailure("\(node.name) sees \(alive) of \(nodes.count) nodes alive") }
            models = try await client.models()
            guard !models.isEmpty else { throw DemoFailure("\(node.name) knows no model yet") }
        }
        return Line(
            primary: nodes[0].name, user: account.user, password: account.password, apiKey: key, models: models)
    }
}
