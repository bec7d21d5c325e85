import Authority
import Primitives
import Testing

@Suite struct TopicTests {
    private func started(limits: AuthorityLimits = .standard) -> TestLog {
        var log = TestLog.started(limits: limits)
        log.state.raise(to: .topics)
        return log
    }

    private func event(_ text: String, _ topic: TopicName = "log/jobs") -> AuthorityCommand {
        .publishEvent(topic: topic, bytes: Array(text.utf8), author: "root")
    }

    private func texts(_ topic: Topic?, after index: LogIndex = .zero) -> [String] {
        (topic?.events(after: index) ?? []).map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    @Test("an event's number is the index of its entry, and a reader goes on behind the one it saw last")
    func order() {
        var log = started()
        #expect(log.apply(event("a")) == .stored(revision: log.index, created: true))
        let first = log.index
        log.apply(event("other", "log/other"))
        #expect(log.apply(event("b")) == .stored(revision: log.index, created: false))
        log.apply(event("c"))
        #expect(texts(log.state.topics["log/jobs"]) == ["a", "b", "c"])
        #expect(texts(log.state.topics["log/jobs"], after: first) == ["b", "c"])
        #expect(texts(log.state.topics["log/jobs"], after: log.index) == [])
        #expect(log.state.topics.droppedThrough("log/jobs") == .zero)
    }

    @Test("a repeated publication is one event, and is told its number again")
    func repeated() {
        var log = started()
        let envelope = log.envelope(event("a"), sequence: 50)
        let first = log.applyEnvelope(envelope)
        let again = log.applyEnvelope(envelope)
        #expect(again.reply == first.reply && again.isRepeat)
        #expect(texts(log.state.topics["log/jobs"]) == ["a"])
    }

    @Test("of a full topic the oldest event goes, and who has read less far can tell")
    func countLimit() {
        var limits = AuthorityLimits.standard
        limits.eventsPerTopic = 3
        var log = started(limits: limits)
        for text in ["a", "b", "c"] { log.apply(event(text)) }
        #expect(log.state.topics.droppedThrough("log/jobs") == .zero)
        let oldest = log.state.topics["log/jobs"]!.events[0].index
        log.apply(event("d"))
        #expect(texts(log.state.topics["log/jobs"]) == ["b", "c", "d"])
        #expect(log.state.topics.droppedThrough("log/jobs") == oldest)
    }

    @Test("over the limit on bytes the oldest event of all topics goes; a topic without events is gone, not forgotten")
    func byteLimit() {
        var limits = AuthorityLimits.standard
        limits.topicBytesTotal = 500
        var log = started(limits: limits)
        log.apply(event("a", "log/old"))
        let old = log.index
        for _ in 0..<4 { log.apply(event(String(repeating: "x", count: 40), "log/new")) }
        #expect(log.state.topics["log/old"] == nil)
        #expect(log.state.topics.droppedThrough("log/old") == old)
        #expect(log.state.topics.bytesTotal <= 500)
        log.apply(event("b", "log/old"))
        #expect(log.state.topics.droppedThrough("log/old") >= old)
    }

    @Test("of too many topics the one that has been silent for longest goes")
    func topicLimit() {
        var limits = AuthorityLimits.standard
        limits.topics = 2
        var log = started(limits: limits)
        log.apply(event("1", "log/a"))
        log.apply(event("2", "log/b"))
        log.apply(event("3", "log/a"))
        let silent = log.state.topics["log/b"]!.events[0].index
        log.apply(event("4", "log/c"))
        #expect(log.state.topics["log/b"] == nil && log.state.topics.count == 2)
        #expect(log.state.topics.droppedThrough("log/b") == silent)
    }

    @Test("an event too large is refused and changes nothing")
    func tooLarge() {
        var limits = AuthorityLimits.standard
        limits.eventBytes = 4
        var log = started(limits: limits)
        #expect(log.apply(event("12345")) == .refused(.tooLarge))
        #expect(log.state.topics == TopicTable())
    }

    @Test("before every voter's program knows topics, publishing has no effect")
    func gated() {
        var log = TestLog.started()
        log.state.raise(to: .roster)
        #expect(log.apply(event("a")) == .refused(.malformed))
        #expect(log.state.topics == TopicTable())
    }

    @Test("a snapshot carries topics, and programs before them read snapshots without any")
    func snapshot() throws {
        var log = started()
        #expect(AuthoritySnapshot.encode(log.state)[0] < 3)
        for number in 0..<20 { log.apply(event("\(number)", number % 3 == 0 ? "log/a" : "log/b")) }
        let bytes = AuthoritySnapshot.encode(log.state)
        #expect(bytes[0] == 3)
        let state = try AuthoritySnapshot.decode(bytes)
        #expect(state.topics == log.state.topics)
        #expect(AuthoritySnapshot.encode(state) == bytes)
        for cut in stride(from: 0, to: bytes.count, by: 7) {
            #expect(throws: DecodeError.self) { try AuthoritySnapshot.decode(Array(bytes[..<cut])) }
        }
    }
}
