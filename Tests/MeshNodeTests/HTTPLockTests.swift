import Foundation
import Gossip
import MeshNode
import NodeCore
import Primitives
import Raft
import Testing

@Suite("Locks and members over HTTP", .timeLimit(.minutes(1)))
struct HTTPLockTests {
    @Test("a lock is granted with a token, refused to others, kept, given back, and granted anew with a greater token")
    func lifeOfALock() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let first = try await node.post("/mesh/v1/locks/gpu%20zero", #"{"ttl_seconds": 10}"#, ada)
            #expect(first.status == 201, "\(first)")
            let token = try #require(first.json["token"] as? Int)
            #expect(first.json["name"] as? String == "gpu zero" && first.json["expires_in_ms"] as? Int == 10_000)
            let second = try await node.post("/mesh/v1/locks/gpu%20zero", #"{"ttl_seconds": 10}"#, ada)
            #expect(second.status == 409 && second.problem == "lock-held")
            let holder = first.json["holder"] as? String ?? ""
            let repeated = try await node.post(
                "/mesh/v1/locks/gpu%20zero", #"{"ttl_seconds": 10, "holder": "\#(holder)"}"#, ada)
            #expect(repeated.status == 201 && repeated.json["token"] as? Int == token, "the same attempt")
            let kept = try await node.send(
                "PUT", "/mesh/v1/locks/gpu%20zero", ada, body: #"{"token": \#(token), "ttl_seconds": 60}"#)
            #expect(kept.status == 200 && kept.json["expires_in_ms"] as? Int == 60_000, "\(kept)")
            let list = try await node.get("/mesh/v1/locks", ada)
            #expect((list.json["locks"] as? [[String: Any]])?.map { $0["name"] as? String } == ["gpu zero"])
            #expect(try await node.send("DELETE", "/mesh/v1/locks/gpu%20zero", ada).status == 400, "which grant?")
            let path = "/mesh/v1/locks/gpu%20zero?token="
            #expect(try await node.send("DELETE", path + "1", ada).problem == "not-holding")
            #expect(try await node.send("DELETE", path + "\(token)", ada).status == 204)
            #expect((try await node.get("/mesh/v1/locks", ada).json["locks"] as? [Any])?.isEmpty == true)
            let next = try await node.post("/mesh/v1/locks/gpu%20zero", #"{"ttl_seconds": 10}"#, ada)
            #expect(next.json["token"] as? Int ?? 0 > token)
        }
    }

    @Test("a value is stored under a lock's token only as long as that grant counts")
    func fencing() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let lock = try await node.post("/mesh/v1/locks/gpu", #"{"ttl_seconds": 2}"#, ada)
            let token = try #require(lock.json["token"] as? Int)
            func put(_ body: String, _ query: String) async throws -> Reply {
                try await node.send("PUT", "/mesh/v1/kv/owner" + query, ada, body: body)
            }
            #expect(try await put("one", "?lock=gpu&token=\(token)").status == 201)
            #expect(try await put("two", "?lock=gpu").status == 400)
            #expect(try await put("two", "?lock=gpu&token=\(token + 1)").problem == "not-holding")
            node.core.advance(by: .seconds(3))
            #expect(
                try await put("late", "?lock=gpu&token=\(token)").problem == "not-holding", "it slept past its time")
            #expect(try await node.get("/mesh/v1/kv/owner", ada).body == "one")
            #expect((try await node.get("/mesh/v1/locks", ada).json["locks"] as? [Any])?.isEmpty == true)
        }
    }

    @Test("what cannot be a lock is refused in words")
    func malformed() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            for body in [
                #"{"ttl_seconds": 0}"#, #"{"ttl_seconds": 1e99}"#, #"{"ttl_seconds": 90000}"#, "{}", "[]",
                #"{"ttl_seconds": 5, "holder": "short"}"#,
            ] {
                #expect(try await node.post("/mesh/v1/locks/gpu", body, ada).status == 400, "\(body)")
            }
            #expect(try await node.post("/mesh/v1/locks/gpu", #"{"ttl_seconds": 5}"#).status == 401)
            node.core.losePrimary()
            #expect(try await node.post("/mesh/v1/locks/gpu", #"{"ttl_seconds": 5}"#, ada).problem == "no-quorum")
            #expect(try await node.get("/mesh/v1/locks", ada).status == 503)
            #expect(try await node.get("/mesh/v1/locks?consistency=local", ada).status == 200)
        }
    }

    private func member(_ id: UInt64, _ name: String, _ state: MemberState) -> MemberView {
        MemberView(
            id: NodeID(high: 0, low: id), name: name, endpoint: Endpoint(ipv4: 127, 0, 0, 1, port: 7947), state: state,
            incarnation: Incarnation(bootEpoch: 4, counter: 1), isSelf: false, isVoter: true, roundTrip: nil,
            descriptor: nil, health: nil)
    }

    @Test("a member that is gone for good is taken out by an admin; one that is alive is not")
    func removeMember() async throws {
        try await TestNode.run { node async throws in
            node.core.setMembers([member(7, "gone", .dead), member(8, "here", .alive)])
            let ada = try await node.bearer()
            #expect(try await node.send("DELETE", "/mesh/v1/members/here", ada).problem == "member-alive")
            #expect(try await node.send("DELETE", "/mesh/v1/members/nobody", ada).status == 404)
            let bob = try await node.bearer("bob", TestNode.bobPassword)
            #expect(try await node.send("DELETE", "/mesh/v1/members/gone", bob).status == 403)
            #expect(node.core.removed.isEmpty)
            #expect(try await node.send("DELETE", "/mesh/v1/members/gone", ada).status == 204)
            #expect(node.core.removed == [NodeID(high: 0, low: 7)])
            node.core.losePrimary()
            #expect(try await node.send("DELETE", "/mesh/v1/members/gone", ada).problem == "no-quorum")
        }
    }

    @Test("so is one that was gone before this node was started, of which the roster alone knows")
    func removeUnheard() async throws {
        try await TestNode.run { node async throws in
            let ids = [node.core.me, NodeID(high: 0, low: 9)]
            let genesis = Genesis(
                cluster: Array(repeating: 9, count: 16),
                members: zip(["aurora", "away"], ids).enumerated().map { place, member in
                    Genesis.Member(
                        name: member.0, node: member.1, replica: ReplicaID(UInt64(place + 1)), rank: 0, isVoter: true,
                        trustClass: .core)
                })
            node.core.setRoster(try #require(Roster(genesis)))
            let ada = try await node.bearer()
            #expect(try await node.send("DELETE", "/mesh/v1/members/away", ada).status == 204)
            #expect(node.core.removed == [ids[1]])
            #expect(try await node.send("DELETE", "/mesh/v1/members/aurora", ada).problem == "member-alive")
        }
    }
}
