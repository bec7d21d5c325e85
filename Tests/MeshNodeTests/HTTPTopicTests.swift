import Authority
import Foundation
import MeshNode
import NodeCore
import Primitives
import Testing

@Suite("Topics over HTTP", .timeLimit(.minutes(1)))
struct HTTPTopicTests {
    /// Publishes again and again until nobody listens any more: a stream needs a moment to open.
    private func publishing(_ texts: [String], to topic: String, on node: TestNode, _ fields: [String: String]) -> Task<
        Void, any Error
    > {
        Task {
            while !Task.isCancelled {
                for text in texts { _ = try await node.send("POST", "/mesh/v1/topics/\(topic)", fields, body: text) }
                try await Task.sleep(for: .milliseconds(30))
            }
        }
    }

    @Test("an event outside log/ reaches who follows its topic, names its author and node, and has no number")
    func told() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            let publisher = publishing(["good \"news\""], to: "news", on: node, fields)
            defer { publisher.cancel() }
            let reply = try await node.send("GET", "/mesh/v1/topics/news", fields) { $0.contains("good") }
            #expect(reply.status == 200 && reply.fields["content-type"] == "text/event-stream")
            #expect(
                reply.body.contains(
                    #"event: message\#ndata: {"topic":"news","author":"ada","node":"#))
            #expect(reply.body.contains(#""text":"good \"news\""}"#))
            #expect(!reply.body.contains("id: "))
            #expect(try await node.send("POST", "/mesh/v1/topics/news", fields, body: "x").status == 202)
        }
    }

    @Test("events under log/ are numbered by the log; a reader goes on behind the last that it saw, or from the start")
    func kept() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            var numbers: [Int] = []
            for text in ["a", "b", "c"] {
                let reply = try await node.send("POST", "/mesh/v1/topics/log%2Fjobs", fields, body: text)
                #expect(reply.status == 201)
                numbers.append(try #require(reply.json["id"] as? Int))
            }
            #expect(numbers == numbers.sorted() && Set(numbers).count == 3)
            let all = try await node.send("GET", "/mesh/v1/topics/log/jobs?after=0", fields) {
                $0.contains(#""text":"c""#)
            }
            for (number, text) in zip(numbers, ["a", "b", "c"]) {
                #expect(all.body.contains("id: \(number)\nevent: message\n"), "\(text)")
            }
            #expect(!all.body.contains("event: gap"))
            let resumed = try await node.send(
                "GET", "/mesh/v1/topics/log/jobs", fields.merging(["Last-Event-ID": "\(numbers[1])"]) { $1 }
            ) { $0.contains(#""text":"c""#) }
            #expect(!resumed.body.contains(#""text":"b""#))
        }
    }

    @Test("who comes back after its events were dropped is told between which numbers")
    func gap() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            let topic = try #require(TopicName("log/busy"))
            let author = try #require(UserName("ada"))
            for number in 0..<AuthorityLimits.standard.eventsPerTopic + 5 {
                node.core.apply(.publishEvent(topic: topic, bytes: Array("\(number)".utf8), author: author))
            }
            let dropped = node.core.view.authority.topics.droppedThrough(topic)
            let reply = try await node.send("GET", "/mesh/v1/topics/log/busy?after=1", fields) {
                $0.contains(#""text":"1004""#)
            }
            #expect(
                reply.body.contains(
                    "id: \(dropped.value)\nevent: gap\ndata: {\"topic\":\"log/busy\",\"after\":1,\"through\":\(dropped.value)}"
                ))
            #expect(reply.body.contains(#""text":"5""#) && !reply.body.contains(#""text":"4""#))
        }
    }

    @Test("without a primary an event under log/ is refused with 503, and one outside is told all the same")
    func noPrimary() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            node.core.refuseNext(.noQuorum)
            let refused = try await node.send("POST", "/mesh/v1/topics/log/jobs", fields, body: "a")
            #expect(refused.status == 503 && refused.json["type"] as? String == "urn:meshnode:problem:no-quorum")
            #expect(try await node.send("POST", "/mesh/v1/topics/news", fields, body: "a").status == 202)
        }
    }

    @Test("what is too large, no text, or names no place is refused in words")
    func refusals() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            func post(_ topic: String, _ body: String) async throws -> Reply {
                try await node.send("POST", "/mesh/v1/topics/\(topic)", fields, body: body)
            }
            let large = String(repeating: "x", count: Broadcast.bytesMax + 1)
            #expect(try await post("news", large).status == 413)
            #expect(try await post("log/news", large).status == 201)
            let tooLarge = String(repeating: "x", count: AuthorityLimits.standard.eventBytes + 1)
            #expect(try await post("log/news", tooLarge).status == 413)
            #expect(try await post("log/", "x").status == 400)
            #expect(try await node.get("/mesh/v1/topics/news?after=3", fields).status == 400)
            #expect(try await node.get("/mesh/v1/topics/log/news?after=x", fields).status == 400)
            #expect(try await node.get("/mesh/v1/topics/news").status == 401)
            #expect(try await node.send("POST", "/mesh/v1/topics/news", body: "x").status == 401)
        }
    }

    @Test("a stream ends with its reader's session")
    func ends() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            let (shown, show) = AsyncStream<Void>.makeStream()
            async let stream = node.send("GET", "/mesh/v1/topics/log/jobs", fields) { text in
                if text.contains(":\n\n") { show.yield() }
                return false
            }
            for await _ in shown { break }
            #expect(try await node.post("/mesh/v1/auth/logout", "{}", fields).status == 204)
            #expect(try await stream.status == 200)
        }
    }

    @Test("an inbox that is not emptied says that it lost something, and holds no more than its limit")
    func slowReader() throws {
        let hub = TopicHub()
        let topic = try #require(TopicName("news"))
        let author = try #require(UserName("ada"))
        let inbox = hub.follow(topic)
        let node = NodeID(high: 1, low: 1)
        for number in 0...TopicInbox.countMax {
            hub.deliver(Broadcast(topic: topic, bytes: Array("\(number)".utf8), author: author), from: node)
        }
        let (deliveries, hasLost) = inbox.take()
        #expect(deliveries.count == TopicInbox.countMax && hasLost)
        inbox.leave()
        hub.deliver(Broadcast(topic: topic, bytes: [], author: author), from: node)
        #expect(inbox.take().deliveries.isEmpty)
    }
}
