import MeshNode
import NodeCore
import Testing

@Suite("Shared values", .timeLimit(.minutes(1)))
struct HTTPValueTests {
    @Test("a value is stored raw, read back raw, replaced and deleted, each change with a new revision")
    func lifeOfAValue() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let created = try await node.send("PUT", "/mesh/v1/kv/color", ada, body: "red")
            #expect(created.status == 201)
            let read = try await node.get("/mesh/v1/kv/color", ada)
            #expect(read.status == 200 && read.body == "red")
            #expect(read.fields["etag"] == created.fields["etag"])
            #expect(read.fields["content-type"] == "application/octet-stream")
            let replaced = try await node.send("PUT", "/mesh/v1/kv/color", ada, body: "blue")
            #expect(replaced.status == 204 && replaced.fields["etag"] != created.fields["etag"])
            #expect(try await node.send("DELETE", "/mesh/v1/kv/color", ada).status == 204)
            #expect(try await node.get("/mesh/v1/kv/color", ada).status == 404)
            #expect(try await node.send("DELETE", "/mesh/v1/kv/color", ada).status == 404)
        }
    }

    @Test("RFC 9110 §13: a condition that fails changes nothing and answers 412 with the present revision")
    func conditions() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            func put(_ body: String, _ fields: [String: String]) async throws -> Reply {
                try await node.send("PUT", "/mesh/v1/kv/k", ada.merging(fields) { $1 }, body: body)
            }
            #expect(try await put("x", ["If-Match": "\"1\""]).status == 412)
            let tag = try #require(try await put("one", ["If-None-Match": "*"]).fields["etag"])
            let taken = try await put("two", ["If-None-Match": "*"])
            #expect(taken.status == 412 && taken.problem == "condition-failed" && taken.fields["etag"] == tag)
            #expect(try await put("two", ["If-Match": "\"999\""]).status == 412)
            #expect(try await put("two", ["If-Match": "\"junk\""]).status == 412)
            #expect(try await node.get("/mesh/v1/kv/k", ada).body == "one")
            #expect(try await put("two", ["If-Match": tag]).status == 204)
            let stale = ada.merging(["If-Match": tag]) { $1 }
            #expect(try await node.send("DELETE", "/mesh/v1/kv/k", stale).status == 412)
            for fields in [
                ["If-Match": "*"], ["If-Match": "1"], ["If-Match": "\"1\", \(tag)"], ["If-None-Match": "\"1\""],
                ["If-Match": tag, "If-None-Match": "*"],
            ] {
                #expect(try await put("three", fields).status == 400, "\(fields)")
            }
            #expect(try await node.get("/mesh/v1/kv/k", ada).body == "two")
        }
    }

    @Test("a reader that has the present revision is answered 304")
    func notModified() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            let tag = try #require(try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "v").fields["etag"])
            let reply = try await node.get("/mesh/v1/kv/k", ada.merging(["If-None-Match": tag]) { $1 })
            #expect(reply.status == 304 && reply.body.isEmpty)
        }
    }

    @Test("without a primary, linearizable reads and writes get 503, local reads go on")
    func withoutPrimary() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            _ = try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "v")
            node.core.losePrimary()
            #expect(try await node.get("/mesh/v1/kv/k", ada).problem == "no-quorum")
            #expect(try await node.get("/mesh/v1/kv/k?consistency=linearizable", ada).status == 503)
            #expect(try await node.get("/mesh/v1/kv/k?consistency=local", ada).body == "v")
            #expect(try await node.get("/mesh/v1/kv/k?consistency=maybe", ada).status == 400)
            #expect(try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "w").status == 503)
        }
    }

    @Test("a write whose outcome is unknown says 504, not 503")
    func outcomeUnknown() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            node.core.refuseNext(.outcomeUnknown)
            let reply = try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "v")
            #expect(reply.status == 504 && reply.problem == "outcome-unknown")
            node.core.refuseNext(.overloaded)
            #expect(try await node.send("PUT", "/mesh/v1/kv/k", ada, body: "v").problem == "overloaded")
        }
    }

    @Test("keys may hold slashes; too long a key gets 400, too large a value 413")
    func keys() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            #expect(try await node.send("PUT", "/mesh/v1/kv/a/b%2Fc", ada, body: "v").status == 201)
            #expect(try await node.get("/mesh/v1/kv/a/b/c", ada).body == "v")
            let long = String(repeating: "k", count: 513)
            #expect(try await node.send("PUT", "/mesh/v1/kv/\(long)", ada, body: "v").status == 400)
            let large = String(repeating: "v", count: (256 << 10) + 1)
            #expect(try await node.send("PUT", "/mesh/v1/kv/large", ada, body: large).status == 413)
            let largest = String(large.dropFirst())
            #expect(try await node.send("PUT", "/mesh/v1/kv/large", ada, body: largest).status == 201)
        }
    }

    @Test("a listing is sorted, by prefix, and goes on behind a key")
    func listing() async throws {
        try await TestNode.run { node async throws in
            let ada = try await node.bearer()
            for key in ["b", "a/2", "a/1", "c"] {
                _ = try await node.send("PUT", "/mesh/v1/kv/\(key)", ada, body: "12")
            }
            func keys(_ query: String) async throws -> [String] {
                let entries = try await node.get("/mesh/v1/kv\(query)", ada).json["entries"] as? [[String: Any]] ?? []
                #expect(entries.allSatisfy { $0["size"] as? Int == 2 && $0["revision"] is Int })
                return entries.compactMap { $0["key"] as? String }
            }
            #expect(try await keys("") == ["a/1", "a/2", "b", "c"])
            #expect(try await keys("?prefix=a%2F") == ["a/1", "a/2"])
            #expect(try await keys("?prefix=&after=a/2") == ["b", "c"])
        }
    }
}
