import Authority
import Hummingbird
import NIOCore
import NodeCore
import Primitives
import ServiceLifecycle

/// One open stream of a topic's events (server-sent events, HTML Standard §9.2).
///
///     event: message   one event; of a kept topic with `id:`, from which a client goes on after a break
///     event: gap       events between two numbers were dropped before they could be sent
///     event: cut       this reader was too slow; the stream ends
///     :                nothing new; every ten seconds
///
/// A kept topic waits in the replicated state, not here: a slow reader holds nothing, and may find a gap. The stream ends
/// with the caller's session.
struct TopicStream: Sendable {
    static let heartbeatInterval: Duration = .seconds(10)

    let surface: HTTPSurface
    let caller: Caller
    let name: TopicName
    let inbox: TopicInbox
    /// Given back when the stream is forgotten, whether it ever ran or not.
    let seat: StreamQuota.Seat

    /// - Parameter after: the event to go on behind; nil where events are not kept.
    func run(_ writer: inout any ResponseBodyWriter, after: LogIndex?) async throws {
        let (core, inbox) = (surface.core, inbox)
        let feeders = [
            Task { for await _ in core.updates() where after != nil { inbox.wake() } },
            Task {
                while !Task.isCancelled {
                    inbox.wake()
                    try? await Task.sleep(for: Self.heartbeatInterval)
                }
            },
        ]
        defer {
            for feeder in feeders { feeder.cancel() }
            inbox.leave()
        }
        writer = try await withGracefulShutdownHandler {
            try await deliver(writer, after: after)
        } onGracefulShutdown: {
            inbox.finish()
        }
        try await writer.finish(nil)
    }

    private func deliver(
        _ target: any ResponseBodyWriter, after: LogIndex?
    ) async throws -> any ResponseBodyWriter {
        var writer = target
        var cursor = after
        var wroteAt: Instant?
        for await _ in inbox.wakeups {
            let now = surface.core.now()
            guard surface.authenticator.stillHolds(caller, view: surface.core.view, now: now) else { break }
            let (frames, isLast) = nextFrames(&cursor)
            for frame in frames { try await writer.write(frame) }
            if isLast { break }
            if !frames.isEmpty {
                wroteAt = now
                // What came meanwhile, or did not fit.
                inbox.wake()
            } else if wroteAt.map({ now - $0 >= Self.heartbeatInterval }) ?? true {
                wroteAt = now
                try await writer.write(ByteBuffer(string: ":\n\n"))
            }
        }
        return writer
    }

    private func nextFrames(_ cursor: inout LogIndex?) -> (frames: [ByteBuffer], isLast: Bool) {
        guard let after = cursor else {
            let (deliveries, hasLost) = inbox.take()
            var frames = deliveries.map { frame($0) }
            if hasLost { frames.append(Self.tooSlow) }
            return (frames, hasLost)
        }
        var frames: [ByteBuffer] = []
        let topics = surface.core.view.authority.topics
        let dropped = topics.droppedThrough(name)
        if after < dropped {
            frames.append(gap(after: after, through: dropped))
            cursor = dropped
        }
        for event in topics[name]?.events(after: cursor ?? after).prefix(Self.batch) ?? [] {
            frames.append(frame(event))
            cursor = event.index
        }
        return (frames, false)
    }

    private static let batch = 64

    // MARK: - Text

    private static let tooSlow = frame(
        "cut", #"{"reason":"This reader did not keep up, and events were lost. Follow the topic again."}"#)

    private func gap(after: LogIndex, through: LogIndex) -> ByteBuffer {
        var text = JSONText()
        text.open("{")
        text.field("topic", name.text)
        text.field("after", after.value)
        text.field("through", through.value)
        text.close("}")
        return Self.frame("gap", String(buffer: text.buffer), id: through)
    }

    private func frame(_ event: TopicEvent) -> ByteBuffer {
        var text = JSONText()
        text.open("{")
        text.field("topic", name.text)
        text.field("id", event.index.value)
        text.field("author", event.author.text)
        text.field("published_at", event.publishedAt?.iso8601)
        text.field("text", String(decoding: event.bytes, as: UTF8.self))
        text.close("}")
        return Self.frame("message", String(buffer: text.buffer), id: event.index)
    }

    private func frame(_ delivery: TopicInbox.Delivery) -> ByteBuffer {
        var text = JSONText()
        text.open("{")
        text.field("topic", name.text)
        text.field("author", delivery.event.author.text)
        text.field("node", surface.core.view.member(delivery.node)?.name ?? delivery.node.description)
        text.field("text", String(decoding: delivery.event.bytes, as: UTF8.self))
        text.close("}")
        return Self.frame("message", String(buffer: text.buffer))
    }

    /// `data` is one line: JSON without line breaks.
    private static func frame(_ event: String, _ data: String, id: LogIndex? = nil) -> ByteBuffer {
        ByteBuffer(string: (id.map { "id: \($0.value)\n" } ?? "") + "event: \(event)\ndata: \(data)\n\n")
    }
}
