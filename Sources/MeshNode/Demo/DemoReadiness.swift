import Foundation
import Primitives

/// When the demo may call itself ready: every node names aurora, sign-in works, a model can be routed to from each, and
/// each knows how fast the others are.
enum DemoReadiness {
    /// Speeds are waited for no longer than this: without them prompts go to nodes that are hoped to be fast.
    private static let speedsLimit: Duration = .seconds(10)

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
                let line = try await check(nodes, account: account)
                await waitForSpeeds(nodes, key: line.apiKey, until: min(deadline, .now + speedsLimit))
                return line
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
        throw DemoFailure(
            "the mesh was not ready within \(limit.spelled): \(obstacle); the nodes' logs are beside their data")
    }

    private static func waitForSpeeds(
        _ nodes: [DemoNode], key: String, until deadline: ContinuousClock.Instant
    ) async {
        for node in nodes {
            let client = MeshClient(base: node.http, token: key)
            while ContinuousClock.now < deadline {
                if let text = try? await client.statusText(), knowsSpeeds(text) { break }
                guard (try? await Task.sleep(for: .milliseconds(100))) != nil else { return }
            }
        }
    }

    /// Whether a status document tells the speed of every model that is in memory.
    private static func knowsSpeeds(_ status: String) -> Bool {
        guard let document = try? JSONParser.parse(Array(status.utf8)) else { return false }
        let models = (document["members"]?.elements ?? []).flatMap { $0["health"]?["models"]?.elements ?? [] }
        return models.allSatisfy { model in
            model["loaded"]?.isTrue != true || model["decode_tokens_per_second"]?.double != nil
        }
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
            guard alive == nodes.count else {
                throw DemoFailure("\(node.name) sees \(alive) of \(nodes.count) nodes alive")
            }
            models = try await client.models()
            guard !models.isEmpty else { throw DemoFailure("\(node.name) knows no model yet") }
        }
        return Line(
            primary: nodes[0].name, user: account.user, password: account.password, apiKey: key, models: models)
    }
}
