import HashTreeCollections
import Primitives

/// One event of a durable topic.
package struct TopicEvent: Hashable, Sendable {
    /// The entry that published it: its number, greater than that of every event before.
    package let index: LogIndex
    package let bytes: [UInt8]
    /// Nil if it was published before the clock had an anchor.
    package let publishedAt: UnixTime?
    package let author: UserName
}

/// The newest events of one durable topic.
package struct Topic: Hashable, Sendable {
    /// Ascending by index; never empty.
    package fileprivate(set) var events: [TopicEvent] = []
    /// Everything up to here has been dropped, or may have been: who has read less far has missed something.
    package fileprivate(set) var droppedThrough: LogIndex

    /// Those after an event, the oldest first.
    package func events(after index: LogIndex) -> ArraySlice<TopicEvent> {
        var low = events.startIndex
        var high = events.endIndex
        while low < high {
            let middle = (low + high) / 2
            if events[middle].index <= index { low = middle + 1 } else { high = middle }
        }
        return events[low...]
    }
}

/// Topics whose events are kept in order on every node: a window of the replicated log for each name.
///
/// The intuition (the log as a message queue; Kreps et al., Kafka, NetDB 2011): an entry's index is an event's number, so
/// order, gaps and where a reader stands need nothing of their own. What is dropped to stay within the limits is
/// remembered as a number, so that a reader who comes too late is told that it missed something.
package struct TopicTable: Equatable, Sendable {
    private var topics: TreeDictionary<TopicName, Topic> = [:]
    /// Of all names and events, against `AuthorityLimits.topicBytesTotal`.
    package private(set) var bytesTotal = 0
    /// The last event of topics that were dropped as a whole.
    package private(set) var forgottenThrough = LogIndex.zero

    package init() {}

    package var count: Int { topics.count }
    package subscript(name: TopicName) -> Topic? { topics[name] }

    /// Up to where a reader of this topic may have missed events.
    package func droppedThrough(_ name: TopicName) -> LogIndex { topics[name]?.droppedThrough ?? forgottenThrough }

    /// Beyond the limits the oldest events go, and of too many topics the one that has been silent for longest.
    mutating func publish(_ event: TopicEvent, to name: TopicName, limits: AuthorityLimits) -> AuthorityReply {
        guard event.bytes.count <= limits.eventBytes else { return .refused(.tooLarge) }
        let isNew = topics[name] == nil
        if isNew, topics.count >= limits.topics, let silent = oldest(by: { $0.events.last }) { forget(silent) }
        var topic = topics[name] ?? Topic(droppedThrough: forgottenThrough)
        if isNew { bytesTotal += name.utf8.count }
        topic.events.append(event)
        bytesTotal += Self.cost(event)
        topics[name] = topic
        if topic.events.count > limits.eventsPerTopic { dropFirst(of: name) }
        while bytesTotal > limits.topicBytesTotal, let oldest = oldest(by: { $0.events.first }) {
            dropFirst(of: oldest)
        }
        return .stored(revision: event.index, created: isNew)
    }

    /// Walks the topics; indexes are unique, so that no order of the walk matters.
    private func oldest(by event: (Topic) -> TopicEvent?) -> TopicName? {
        topics.min { (event($0.value)?.index ?? .zero) < (event($1.value)?.index ?? .zero) }?.key
    }

    private mutating func dropFirst(of name: TopicName) {
        guard var topic = topics[name] else { return }
        guard topic.events.count > 1 else { return forget(name) }
        let dropped = topic.events.removeFirst()
        bytesTotal -= Self.cost(dropped)
        topic.droppedThrough = dropped.index
        topics[name] = topic
    }

    private mutating func forget(_ name: TopicName) {
        guard let topic = topics.removeValue(forKey: name) else { return }
        bytesTotal -= topic.events.reduce(name.utf8.count) { $0 + Self.cost($1) }
        if let last = topic.events.last { forgottenThrough = max(forgottenThrough, last.index) }
    }

    /// With what a small event takes beside its bytes.
    private static func cost(_ event: TopicEvent) -> Int { event.bytes.count + event.author.utf8.count + 64 }

    /// What is wrong with the table, or nil.
    func violation(limits: AuthorityLimits, appliedIndex: LogIndex) -> String? {
        let bytes = topics.reduce(0) { $0 + $1.key.utf8.count + $1.value.events.reduce(0) { $0 + Self.cost($1) } }
        guard bytes == bytesTotal, bytes <= limits.topicBytesTotal, topics.count <= limits.topics else {
            return "\(topics.count) topics of \(bytes) bytes, counted as \(bytesTotal)"
        }
        for (name, topic) in topics {  // each is judged by itself
            let indexes = [topic.droppedThrough] + topic.events.map(\.index)
            guard !topic.events.isEmpty, topic.events.count <= limits.eventsPerTopic,
                zip(indexes, indexes.dropFirst()).allSatisfy({ $0 < $1 }), indexes.last! <= appliedIndex,  // not empty
                topic.events.allSatisfy({ $0.bytes.count <= limits.eventBytes })
            else { return "the events of \(name) are out of order, too many, too large or ahead of \(appliedIndex)" }
        }
        return forgottenThrough <= appliedIndex ? nil : "a topic was forgotten ahead of the log at \(appliedIndex)"
    }
}

extension TopicTable {
    func encode(into writer: inout ByteWriter) {
        writer.write(forgottenThrough)
        writer.writeArray(topics.sorted { $0.key < $1.key }) { writer, entry in
            writer.write(entry.key)
            writer.write(entry.value.droppedThrough)
            writer.writeArray(entry.value.events) { writer, event in
                writer.write(event.index)
                writer.write(event.bytes)
                writer.writeOptional(event.publishedAt) { $0.write($1) }
                writer.write(event.author)
            }
        }
    }

    init(from reader: inout ByteReader, limits: AuthorityLimits) throws(DecodeError) {
        self.init()
        forgottenThrough = try reader.readLogIndex()
        var last: TopicName?
        for _ in 0..<(try reader.readCount(limit: limits.topics)) {
            let name = try reader.readText(TopicName.self)
            try requireAscending(name, after: &last)
            var topic = Topic(droppedThrough: try reader.readLogIndex())
            bytesTotal += name.utf8.count
            for _ in 0..<(try reader.readCount(limit: limits.eventsPerTopic)) {
                let event = TopicEvent(
                    index: try reader.readLogIndex(), bytes: try reader.readBlob(limit: limits.eventBytes),
                    publishedAt: try reader.readBool() ? try reader.readUnixTime() : nil,
                    author: try reader.readText(UserName.self))
                bytesTotal += Self.cost(event)
                topic.events.append(event)
            }
            topics[name] = topic
        }
    }
}
