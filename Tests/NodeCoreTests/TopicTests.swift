import Authority
import NodeCore
import Primitives
import Testing

@Suite("Topics")
struct TopicTests {
    private static func makeMesh() throws -> BrainPair {
        var mesh = try BrainPair(3)
        mesh.run(for: .seconds(4))
        try #require(mesh.isPrimary(0))
        return mesh
    }

    private static func news(_ text: String) throws -> Broadcast {
        Broadcast(
            topic: try #require(TopicName("news")), bytes: Array(text.utf8), author: try #require(UserName("ada")))
    }

    @Test("an event that is not kept is told to every member once, also where each datagram comes three times")
    func atMostOnce() throws {
        var mesh = try Self.makeMesh()
        mesh.give(.broadcast(try Self.news("hello")), to: 1)
        mesh.letters = mesh.letters.flatMap { [$0, $0, $0] }
        mesh.run(for: .seconds(3))
        for place in 0..<3 {
            #expect(mesh.broadcasts[place].map(\.event) == [try Self.news("hello")], "n\(place + 1)")
            #expect(mesh.broadcasts[place].map(\.from) == [mesh.ids[1]])
        }
    }

    @Test("an event that is not kept and was lost never comes")
    func lost() throws {
        var mesh = try Self.makeMesh()
        mesh.give(.broadcast(try Self.news("hello")), to: 1)
        mesh.run(for: .milliseconds(20)) { !($0.from == 1 && $0.to == 2) }
        mesh.run(for: .seconds(30))
        #expect(mesh.broadcasts.map(\.count) == [1, 1, 0])
    }

    @Test("a node that left, or halted, tells nobody, itself included; and nobody tells one that is dead")
    func gone() throws {
        var mesh = try Self.makeMesh()
        mesh.give(.diskFailed("test: the disk is gone"), to: 2)
        mesh.letters = []
        mesh.give(.broadcast(try Self.news("from one that halted")), to: 2)
        #expect(mesh.letters.isEmpty)
        mesh.give(.leave, to: 1)
        mesh.letters = []
        mesh.give(.broadcast(try Self.news("from one that left")), to: 1)
        #expect(mesh.letters.isEmpty)
        #expect(mesh.broadcasts.map(\.count) == [0, 0, 0])

        mesh = try Self.makeMesh()
        mesh.run(for: .seconds(6)) { $0.from != 2 && $0.to != 2 }
        mesh.letters = []
        mesh.give(.broadcast(try Self.news("to whoever lives")), to: 0)
        #expect(mesh.letters.map(\.to) == [1])
    }

    @Test("events of a durable topic, published on all nodes at once, stand on all nodes in one order")
    func ordered() throws {
        var mesh = try Self.makeMesh()
        let name = try #require(TopicName("log/jobs"))
        var requests: [RequestID] = []
        for number in 0..<30 {
            requests.append(
                mesh.submit(
                    .publishEvent(
                        topic: name, bytes: Array("\(number)".utf8), author: try #require(UserName("ada"))),
                    to: number % 3))
            mesh.run(for: .milliseconds(3)) { !(number % 7 == 0 && $0.to == 1) }
        }
        mesh.run(for: .seconds(3))
        let events = try #require(mesh.brains[0].authority.topics[name]?.events)
        #expect(events.count == 30)
        #expect(zip(events, events.dropFirst()).allSatisfy { $0.index < $1.index })
        for place in 1..<3 { #expect(mesh.brains[place].authority.topics[name]?.events == events) }
        for (number, request) in requests.enumerated() {
            guard case .committed(.stored(let index, _), _) = mesh.answers[request] else {
                Issue.record("event \(number) was answered \(String(describing: mesh.answers[request]))")
                continue
            }
            #expect(events.first { $0.index == index }?.bytes == Array("\(number)".utf8))
        }
    }
}
