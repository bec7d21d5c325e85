import Authority
import Foundation
import Logging
import MeshNode
import NodeCore
import Primitives
import Raft
import SecureChannel
import Testing

/// Shared values at a core node: sealed on their way into the log, opened on their way out.
@Suite("Sealed values at a core node", .timeLimit(.minutes(1)))
struct HTTPSealedValueTests {
    private static var keys: DataKeys {
        var entropy = SodiumEntropy()
        return .generate(cluster: LocalCore.cluster, from: &entropy)
    }

    /// A core node of a mesh that seals, and its admin's fields.
    private func run(
        _ keys: DataKeys = keys, keptAt: String? = nil, _ body: (TestNode, [String: String]) async throws -> Void
    ) async throws {
        try await TestNode.run(dataKeys: keys, keptAt: keptAt) { node in
            node.core.becomeCore(node.identity)
            try await body(node, node.bearer())
        }
    }

    private func value(_ node: TestNode, _ key: ValueKey = ValueKey("k")!) throws -> StoredValue {
        try #require(node.core.view.authority.values[key])
    }

    /// A new data key for this node, which knows the older ones from elsewhere.
    private func rotate(_ node: TestNode, older: [(epoch: UInt32, key: SecretBytes)]) {
        var entropy = SodiumEntropy()
        node.core.rotate(
            DataKeyDraft(
                epoch: node.core.view.authority.roster.secrets.newest + 1, cluster: LocalCore.cluster,
                recipients: [(node.core.me, node.identity.publicIdentity.exchangeKey)], older: older,
                entropy: &entropy))
    }

    @Test("the log and the state hold ciphertext; the client sees its value, length, revision and conditions")
    func sealed() async throws {
        try await run { node, ada async throws in
            let secret = "the colour is red"
            let created = try await node.send("PUT", "/mesh/v1/kv/k", ada, body: secret)
            #expect(created.status == 201)
            let stored = try value(node)
            #expect(stored.epoch == 1 && stored.bytes.count == secret.utf8.count + DataKeys.overhead)
            let snapshot = AuthoritySnapshot.encode(node.core.view.authority)
            #expect(snapshot.count > 100 && !Data(snapshot).contains(Data(secret.utf8)))
            // What was asked of the log is sealed, too.
            #expect(
                node.core.submitted.contains { command in
                    if case .putSealedValue = command { true } else { false }
                })
            #expect(
                !node.core.submitted.contains { command in
                    if case .putValue = command { true } else { false }
                })
            let read = try await node.get("/mesh/v1/kv/k", ada)
            #expect(read.body == secret && read.fields["etag"] == created.fields["etag"])
            let listed = try await node.get("/mesh/v1/kv", ada)
            #expect((listed.json["entries"] as? [[String: Any]])?.first?["size"] as? Int == secret.utf8.count)
            let tag = try #require(created.fields["etag"])
            #expect(try await node.get("/mesh/v1/kv/k", ada.merging(["If-None-Match": tag]) { $1 }).status == 304)
            let stale = ada.merging(["If-Match": "\"1\""]) { $1 }
            #expect(try await node.send("PUT", "/mesh/v1/kv/k", stale, body: "x").status == 412)
            #expect(try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "").status == 204, "an empty value")
            #expect(try await node.get("/mesh/v1/kv/k?consistency=local", ada).body == "")
            #expect(try await node.send("DELETE", "/mesh/v1/kv/k", ada).status == 204)
        }
    }

    @Test("the largest value fits, and one byte more is refused as before")
    func largest() async throws {
        try await run { node, ada async throws in
            let most = String(repeating: "v", count: AuthorityLimits.standard.valueBytes)
            #expect(try await node.send("PUT", "/mesh/v1/kv/k", ada, body: most).status == 201)
            #expect(try await node.get("/mesh/v1/kv/k", ada).body == most)
            #expect(try await node.send("PUT", "/mesh/v1/kv/k", ada, body: most + "v").status == 413)
        }
    }

    @Test("a value that was moved to another key or damaged is said to be, and no byte of it is shown")
    func damaged() async throws {
        try await run { node, ada async throws in
            _ = try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "sealed for k")
            let bytes = try value(node).bytes
            var damaged = bytes
            damaged[bytes.count - 1] ^= 1
            for (key, forged) in [("other", bytes), ("k", damaged)] {
                node.core.apply(
                    .putSealedValue(
                        key: ValueKey(key)!, epoch: 1, sealed: forged, condition: .none, author: UserName("eve")!))
                let reply = try await node.get("/mesh/v1/kv/\(key)", ada)
                #expect(reply.status == 500 && reply.problem == "damaged-value", "\(reply.body)")
                #expect(!reply.body.contains("sealed for k"))
            }
            #expect(try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "anew").status == 204)
            #expect(try await node.get("/mesh/v1/kv/k", ada).body == "anew")
        }
    }

    @Test("a core node without the data key neither reads, nor writes, nor replaces it, and says what to do")
    func withoutKey() async throws {
        var stored: [UInt8] = []
        try await run { node, ada async throws in
            _ = try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "v")
            stored = try value(node).bytes
        }
        try await run(DataKeys(cluster: LocalCore.cluster)) { node, ada async throws in
            #expect(try await node.send("PUT", "/mesh/v1/kv/before", ada, body: "v").status == 201, "nobody has one")
            #expect(try value(node, ValueKey("before")!).epoch == 0)
            node.core.apply(
                .putSealedValue(
                    key: ValueKey("k")!, epoch: 1, sealed: stored, condition: .none, author: UserName("ada")!))
            for reply in [
                try await node.get("/mesh/v1/kv/k", ada), try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "w"),
            ] {
                #expect(reply.status == 500 && reply.problem == "no-data-key", "\(reply.body)")
                #expect(reply.body.contains("data.keys"))
            }
            #expect(try await node.get("/mesh/v1/kv/before", ada).body == "v", "what is clear is read")
            #expect(try value(node).bytes == stored)
            node.core.setRoster(try roster([(node.identity, .core)]))
            let change = try await node.send("POST", "/mesh/v1/secret", ada, body: "{}")
            #expect(change.status == 500 && change.problem == "no-data-key", "\(change.body)")
        }
    }

    private func roster(_ nodes: [(Identity, TrustClass)]) throws -> Roster {
        let genesis = Genesis(
            cluster: LocalCore.cluster,
            members: nodes.enumerated().map { place, node in
                Genesis.Member(
                    name: place == 0 ? "aurora" : "node\(place)", node: node.0.nodeID,
                    replica: ReplicaID(UInt64(place + 1)), rank: 0, isVoter: place == 0, keys: node.0.publicIdentity,
                    trustClass: node.1)
            })
        return try #require(Roster(genesis))
    }

    @Test("a change of the secret brings every node a copy of it, and core nodes alone one of the data key")
    func copies() async throws {
        var entropy = SodiumEntropy()
        let (edge, other) = (Identity.generate(from: &entropy), Identity.generate(from: &entropy))
        try await run { node, ada async throws in
            node.core.setRoster(try roster([(node.identity, .core), (edge, .edge), (other, .core)]))
            let reply = try await node.send("POST", "/mesh/v1/secret", ada, body: "{}")
            #expect(reply.status == 202, "\(reply.body)")
            let rotations = node.core.submitted.compactMap { command in
                if case .changeRoster(let signed) = command, case .rotateSecret(let rotation) = signed.record {
                    rotation
                } else {
                    nil
                }
            }
            let rotation = try #require(rotations.last)
            #expect(Set(rotation.copies.map(\.node)) == [node.core.me, edge.nodeID, other.nodeID])
            #expect(Set(try #require(rotation.dataKey).copies.map(\.node)) == [node.core.me, other.nodeID])
        }
    }

    @Test("a value that is sealed while the data key is replaced is sealed anew, under the one that is in use")
    func replacedMeanwhile() async throws {
        let keys = Self.keys
        try await run(keys) { node, ada async throws in
            node.core.lagUntilNextCommand()
            rotate(node, older: keys.keys)
            let reply = try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "v")
            #expect(reply.status == 201, "\(reply.body)")
            #expect(try value(node).epoch == 2)
            #expect(try await node.get("/mesh/v1/kv/k", ada).body == "v")
        }
    }

    @Test(
        "after a change of keys everything is sealed anew: clients see nothing of it, and the old key is forgotten on disk"
    )
    func resealing() async throws {
        let keys = Self.keys
        let folder = try TestFolder([:])
        let file = folder.url.appendingPathComponent("data.keys").path
        try await run(keys, keptAt: file) { node, ada async throws in
            for number in 0..<130 {
                let reply = try await node.send("PUT", "/mesh/v1/kv/k\(number)", ada, body: "value \(number)")
                #expect(reply.status == 201)
            }
            node.core.apply(
                .putValue(
                    key: ValueKey("clear")!, value: Array("of older days".utf8), condition: .none,
                    author: UserName("ada")!))
            let before = try await node.get("/mesh/v1/kv", ada).body
            rotate(node, older: keys.keys)
            #expect(try await node.get("/mesh/v1/kv/k7", ada).body == "value 7", "read under the old key")
            #expect(node.dataKeys?.epochs == [1, 2])

            let service = DataKeyService(
                core: node.core, keys: try #require(node.dataKeys), logger: Logger(label: "test"))
            let running = Task { try await service.run() }
            try await pollUntil("everything lies under the new key", within: .seconds(20)) {
                node.core.view.authority.values.epochs == [2] && node.core.view.authority.values.sealedCount == 131
            }
            try await pollUntil("the old key is forgotten", within: .seconds(20)) {
                guard let text = FileManager.default.contents(atPath: file),
                    let kept = try? DataKeys(keyFile: Array(text))
                else { return false }
                return kept.keys.map(\.epoch) == [2]
            }
            running.cancel()
            #expect(try await node.get("/mesh/v1/kv", ada).body == before, "revisions and lengths are as before")
            #expect(try await node.get("/mesh/v1/kv/k7", ada).body == "value 7")
            #expect(try await node.get("/mesh/v1/kv/clear", ada).body == "of older days")
            let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? NSNumber
            #expect(mode?.intValue == 0o600)
        }
    }
}

/// What a core node makes of the log alone.
@Suite("Data keys that the log brings")
struct SharedDataKeysTests {
    private let cluster = LocalCore.cluster

    @Test("who was away for several changes reads everything; who was not among the recipients knows that it does not")
    func away() throws {
        var entropy = SodiumEntropy()
        let (me, other) = (Identity.generate(from: &entropy), Identity.generate(from: &entropy))
        let core = LocalCore(me: me.nodeID)
        core.becomeCore(me)
        let first = DataKeys.generate(cluster: cluster, from: &entropy)
        core.apply(
            .putSealedValue(
                key: ValueKey("k")!, epoch: 1, sealed: [UInt8](repeating: 0, count: 44), condition: .none,
                author: UserName("ada")!))
        func rotate(_ older: [(epoch: UInt32, key: SecretBytes)]) {
            core.rotate(
                DataKeyDraft(
                    epoch: core.view.authority.roster.secrets.newest + 1, cluster: cluster,
                    recipients: [(me.nodeID, me.publicIdentity.exchangeKey)], older: older, entropy: &entropy))
        }
        rotate(first.keys)
        let present = SharedDataKeys(first, of: me)
        guard case .held(let second) = present.find(2, core.view.authority) else {
            Issue.record("the copy is not opened")
            return
        }
        rotate(first.keys + [(2, second)])
        // Another start, with the file as it was before all this.
        let late = SharedDataKeys(first, of: me)
        for epoch in 1...3 as ClosedRange<UInt32> {
            guard case .held = late.find(epoch, core.view.authority) else {
                Issue.record("epoch \(epoch) is not held")
                continue
            }
        }
        #expect(late.epochs == [1, 2, 3])
        let stranger = SharedDataKeys(DataKeys(cluster: cluster), of: other)
        for epoch in 1...3 as ClosedRange<UInt32> {
            guard case .missing = stranger.find(epoch, core.view.authority) else {
                Issue.record("a stranger takes epoch \(epoch) for its own, or for none")
                continue
            }
        }
    }

    @Test("a mesh that had no data key gets one with its next secret: until that is active, values lie clear")
    func olderMesh() {
        var entropy = SodiumEntropy()
        let me = Identity.generate(from: &entropy)
        let core = LocalCore(me: me.nodeID)
        core.becomeCore(me)
        let keys = SharedDataKeys(DataKeys(cluster: cluster), of: me)
        func finding(_ epoch: UInt32) -> String {
            switch keys.find(epoch, core.view.authority) {
            case .held: "held"
            case .none: "none"
            case .missing: "missing"
            }
        }
        #expect(finding(1) == "none")
        core.rotate(
            DataKeyDraft(
                epoch: 2, cluster: cluster, recipients: [(me.nodeID, me.publicIdentity.exchangeKey)], older: [],
                entropy: &entropy))
        #expect(finding(2) == "held" && finding(1) == "none")
    }
}
