import Foundation
import Testing

extension RealProcesses {
    @Suite("Five processes: the cluster's secret", .timeLimit(.minutes(3)))
    struct SecretRotationProcessTests {
        @Test(
            "rotated while values are written and one node is off: no write fails, and the absent node rejoins by itself"
        )
        func rotation() async throws {
            try await FiveNodes.run { nodes in
                let session = try await nodes.login(on: "aurora")
                try await nodes.kill9("robbiebook1")
                let present = nodes.others(than: "robbiebook1")
                let writing = Task {
                    var number = 0
                    var failures: [String] = []
                    while !Task.isCancelled {
                        let client = present[number % present.count].signedIn(session.accessToken)
                        number += 1
                        let reply = try? await client.send("PUT", "/mesh/v1/kv/n\(number)", body: Data("x".utf8))
                        if reply?.status != 201, !Task.isCancelled { failures.append(reply?.description ?? "no reply") }
                        try? await Task.sleep(for: .milliseconds(20))
                    }
                    return (number, failures)
                }
                let rotated = try await ChildProcess.runMeshNode(
                    ["secret", "rotate", "--config", nodes.node("vengeance").config, "--json"])
                #expect(rotated.status == 0, "\(rotated.complaints)")
                writing.cancel()
                let (count, failures) = await writing.value
                #expect(failures.isEmpty && count > 5, "\(failures.count) of \(count): \(failures.first ?? "")")
                let document = try JSONDecoder().decode(JSONDocument.self, from: Data(rotated.output.utf8))
                #expect(rotated.status == 0 && document["epoch"].number == 2, "\(rotated.output)\(rotated.complaints)")

                let file = nodes.node("aurora").dir + "/cluster.keys"
                let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? NSNumber
                #expect(mode?.intValue == 0o600)

                try nodes.startByHand("robbiebook1")
                _ = try await nodes.agreement(among: nodes.all, token: session.accessToken, within: .seconds(30))
                try await pollUntil("robbiebook1 uses the new secret", within: .seconds(10)) {
                    let shown = try await nodes["robbiebook1"].signedIn(session.accessToken).get("/mesh/v1/secret").json
                    return shown["nodes"].list.allSatisfy { $0["uses"].number == 2 }
                }
                // An edge node does not decide about the mesh.
                let refused = try await nodes["robbiebook1"].signedIn(session.accessToken).post("/mesh/v1/secret", "{}")
                #expect(refused.status == 409 && refused.text.contains("not-core"), "\(refused.description)")
            }
        }
    }
}
