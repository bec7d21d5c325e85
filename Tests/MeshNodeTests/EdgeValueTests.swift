import Foundation
import Testing

extension RealProcesses {
    /// robbiebook1 and runpod-tx are of class edge: what lies on their disks may be read by a thief.
    @Suite("Five processes: shared values and machines that are not trusted", .timeLimit(.minutes(3)))
    struct EdgeValueTests {
        /// Where in a node's directory these bytes lie.
        private func files(_ nodes: FiveNodes, _ name: String, holding text: String) throws -> [String] {
            let folder = nodes.node(name).dir
            let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
            return names.filter { name in
                FileManager.default.contents(atPath: folder + "/" + name)?.range(of: Data(text.utf8)) != nil
            }
        }

        @Test("written and read at an edge node as at any other, conditions and all; nothing of it lies on its disk")
        func passedOn() async throws {
            try await FiveNodes.run { nodes in
                let session = try await nodes.login(on: "aurora")
                let edge = nodes["robbiebook1"].signedIn(session.accessToken)
                let core = nodes["vengeance"].signedIn(session.accessToken)
                try await pollUntil("the mesh seals values", within: .seconds(20)) {
                    _ = try await core.send("PUT", "/mesh/v1/kv/probe", body: Data("x".utf8))
                    return try await core.get("/mesh/v1/secret").json["values"]["sealed"].number ?? 0 > 0
                }
                let (secret, own) = ("tractor beam terminal 12", "written at a core node")
                func put(_ text: String, _ fields: [String: String] = [:]) async throws -> NodeClient.Reply {
                    try await edge.send("PUT", "/mesh/v1/kv/a/b%20c", body: Data(text.utf8), fields: fields)
                }
                let created = try await put(secret, ["If-None-Match": "*"])
                let tag = try #require(created.fields["etag"], "\(created.description)")
                #expect(created.status == 201)
                let listed = try await edge.get("/mesh/v1/kv?consistency=local").json["entries"].list
                let entry = listed.first { $0["key"].text == "a/b c" }
                #expect(entry?["size"].number == Double(secret.utf8.count), "and this node has applied it")
                for client in nodes.all {
                    let read = try await client.signedIn(session.accessToken).get("/mesh/v1/kv/a/b%20c")
                    #expect(read.text == secret && read.fields["etag"] == tag, "\(client.name): \(read.description)")
                    #expect(read.fields["content-type"] == "application/octet-stream")
                }
                let taken = try await put("x", ["If-None-Match": "*"])
                #expect(taken.status == 412 && taken.fields["etag"] == tag, "\(taken.description)")
                #expect(try await put("x", ["If-Match": "\"1\""]).status == 412)
                #expect(try await edge.send("GET", "/mesh/v1/kv/a/b%20c", fields: ["If-None-Match": tag]).status == 304)
                #expect(try await edge.get("/mesh/v1/kv/a/b%20c?consistency=local").text == secret)
                #expect(try await edge.get("/mesh/v1/kv/absent").status == 404)
                #expect(try await edge.send("HEAD", "/mesh/v1/kv/a/b%20c").status == 200)
                #expect(try await put(secret, ["If-Match": tag]).status == 204)

                let large = Data(repeating: 0x61, count: 256 << 10)
                #expect(try await edge.send("PUT", "/mesh/v1/kv/large", body: large).status == 201)
                #expect(try await edge.get("/mesh/v1/kv/large").body == large)
                #expect(try await edge.send("PUT", "/mesh/v1/kv/large", body: large + [0x61]).status == 413)

                let lock = try await edge.post("/mesh/v1/locks/gpu", #"{"ttl_seconds": 60}"#)
                let token = Int(try #require(lock.json["token"].number, "\(lock.description)"))
                let held = "/mesh/v1/kv/held?lock=gpu&token="
                #expect(try await edge.send("PUT", held + "\(token)", body: Data("v".utf8)).status == 201)
                #expect(try await edge.send("PUT", held + "\(token + 1)", body: Data("v".utf8)).status == 409)

                let browser = try await nodes["robbiebook1"].send(
                    "POST", "/mesh/v1/auth/login",
                    body: Data(#"{"username": "\#(nodes.user)", "password": "\#(nodes.password)"}"#.utf8),
                    fields: ["Content-Type": "application/json", "X-Mesh-Client": "browser"])
                let cookie = try #require(browser.fields["set-cookie"]?.split(separator: ";").first)
                let page = [
                    "Cookie": String(cookie), "X-Mesh-Session-Secret": browser.json["session_secret"].text ?? "",
                ]
                let shown = try await nodes["robbiebook1"].send("GET", "/mesh/v1/kv/a/b%20c", fields: page)
                #expect(shown.status == 200 && shown.text == secret, "\(shown.description)")

                #expect(try await core.send("PUT", "/mesh/v1/kv/own", body: Data(own.utf8)).status == 201)
                // Its positive: what is published to a kept topic lies everywhere.
                let event = "kept by every node"
                let published = try await edge.send("POST", "/mesh/v1/topics/log/jobs", body: Data(event.utf8))
                let number = try #require(published.json["id"].number, "\(published.description)")
                for name in ["robbiebook1", "runpod-tx"] {
                    try await pollUntil("\(name) has it all", within: .seconds(10)) {
                        let status = try await nodes[name].signedIn(session.accessToken).get("/mesh/v1/status").json
                        return status["applied_index"].number ?? 0 >= number
                    }
                    #expect(try !files(nodes, name, holding: event).isEmpty)
                    for value in [secret, own, String(repeating: "a", count: 64)] {
                        #expect(try files(nodes, name, holding: value) == [], "\(value) on the disk of \(name)")
                    }
                    #expect(!FileManager.default.fileExists(atPath: nodes.node(name).dir + "/data.keys"))
                }
                for name in ["aurora", "vengeance", "sark"] {
                    let file = nodes.node(name).dir + "/data.keys"
                    let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? NSNumber
                    #expect(mode?.intValue == 0o600)
                    #expect(try files(nodes, name, holding: secret) == [], "ciphertext on core nodes' disks, too")
                }
                #expect(try await edge.send("DELETE", "/mesh/v1/kv/own").status == 204)

                // Its user's socket has no credential that a core node would take.
                let local = try await ChildProcess.runMeshNode(
                    ["kv", "get", "own", "--config", nodes.node("robbiebook1").config])
                #expect(local.status != 0 && local.complaints.contains("--user"), "\(local.complaints)")

                for core in ["aurora", "vengeance", "sark"] { try await nodes.kill9(core) }
                try await pollUntil("robbiebook1 gives up on the core nodes", within: .seconds(20)) {
                    let reply = try await edge.get("/mesh/v1/kv/a/b%20c?consistency=local")
                    guard reply.status == 503, reply.json["type"].text == "urn:meshnode:problem:no-core-node" else {
                        throw DemoTrouble(reply.description)
                    }
                    return true
                }
            }
        }

        @Test("a new secret is a new data key: everything is sealed anew, and a core node that was away reads it all")
        func rotation() async throws {
            try await FiveNodes.run { nodes in
                let session = try await nodes.login(on: "aurora")
                let aurora = nodes["aurora"].signedIn(session.accessToken)
                func values() async throws -> JSONDocument { try await aurora.get("/mesh/v1/secret").json["values"] }
                func put(_ key: String) async throws {
                    let reply = try await aurora.send("PUT", "/mesh/v1/kv/\(key)", body: Data("value of \(key)".utf8))
                    #expect(reply.status == 201, "\(reply.description)")
                }
                for number in 0..<100 { try await put("first\(number)") }
                // What was stored before the voters had agreed that the mesh seals is sealed by and by.
                try await pollUntil("nothing lies clear", within: .seconds(30)) {
                    try await values()["clear"].number == 0
                }
                let before = try await aurora.get("/mesh/v1/kv").text
                try await nodes.kill9("sark")
                for epoch in 2...3 {
                    let rotated = try await ChildProcess.runMeshNode(
                        ["secret", "rotate", "--config", nodes.node("vengeance").config, "--json"])
                    #expect(rotated.status == 0, "\(rotated.complaints)")
                    try await pollUntil("everything lies under data key \(epoch)", within: .seconds(30)) {
                        let now = try await values()
                        return now["sealed_before"].number == 0 && now["sealed"].number == 100
                    }
                }
                #expect(try await aurora.get("/mesh/v1/kv").text == before, "revisions and lengths are as before")
                try await put("last")
                try nodes.startByHand("sark")
                _ = try await nodes.agreement(among: nodes.all, token: session.accessToken, within: .seconds(30))
                let sark = nodes["sark"].signedIn(session.accessToken)
                for key in ["first0", "first99", "last"] {
                    let read = try await sark.get("/mesh/v1/kv/\(key)")
                    #expect(read.text == "value of \(key)", "\(read.description)")
                }
                let written = try await sark.send("PUT", "/mesh/v1/kv/sarks", body: Data("v".utf8))
                #expect(written.status == 201, "\(written.description)")
                #expect(try await nodes["runpod-tx"].signedIn(session.accessToken).get("/mesh/v1/kv/sarks").text == "v")
            }
        }
    }
}
