import Authority
import Gossip
import HTTPTypes
import Hummingbird
import NIOCore
import NodeCore
import Primitives

/// Publish and subscribe (docs/API.md, "Topics"). A topic whose name begins with `log/` is kept: its events stand in the
/// replicated log, in one order for everybody. Any other is told once to whoever follows it at that moment.
struct TopicRoutes {
    let surface: HTTPSurface

    static let keptPrefix = "log/"

    func publish(_ exchange: Exchange) async throws -> Response {
        let name = try Self.name(exchange.parameter)
        let author = try exchange.caller().user
        let body = try await exchange.body(limit: AuthorityLimits.standard.eventBytes)
        let bytes = Array(body.readableBytesView)
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw Problem.invalid("An event is text in UTF-8. Send other bytes as base64.")
        }
        return try await Self.isKept(name)
            ? keep(bytes, in: name, author) : tell(Broadcast(fitting: bytes, topic: name, author: author), name)
    }

    private func keep(_ bytes: [UInt8], in name: TopicName, _ author: UserName) async throws -> Response {
        guard surface.core.view.authority.featureLevel >= .topics else {
            throw Problem.conflict(
                "feature-not-agreed",
                "Some voter runs a program without topics, or none has said yet. Upgrade all, then try again.")
        }
        let reply = try await surface.commit(.publishEvent(topic: name, bytes: bytes, author: author))
        guard case .stored(let number, _) = reply else { throw Problem.invalid("The event was not kept.") }
        return .json(.created) { text in
            text.field("topic", name.text)
            text.field("id", number.value)
        }
    }

    private func tell(_ event: Broadcast?, _ name: TopicName) throws(Problem) -> Response {
        guard let event else {
            throw Problem(
                "too-large", .contentTooLarge, "Event too large",
                detail: "Outside `\(Self.keptPrefix)` an event is told in one datagram and has at most "
                    + "\(Broadcast.bytesMax) bytes. Under `\(Self.keptPrefix)` it is kept, and may have "
                    + "\(AuthorityLimits.standard.eventBytes).")
        }
        if let refusal = surface.core.broadcast(event) { throw .core(refusal) }
        let live = surface.core.view.members.count { !$0.isSelf && $0.state.isLive }
        return .json(.accepted) { text in
            text.field("topic", name.text)
            text.field("told", live)
        }
    }

    /// Without a place to go on from, a stream begins with what is published from now on.
    func follow(_ exchange: Exchange) throws(Problem) -> Response {
        let caller = try exchange.caller()
        let name = try Self.name(exchange.parameter)
        let wanted = exchange.request.headers[.lastEventID] ?? exchange.path.queryValue("after")
        let after = wanted.map { UInt64($0).map { LogIndex($0) } }
        if case .some(.none) = after { throw .invalid("`Last-Event-ID` and `after` are the number of an event.") }
        guard after == nil || Self.isKept(name) else {
            throw .invalid("Only topics under `\(Self.keptPrefix)` can be followed from an earlier event.")
        }
        guard let seat = surface.streams.take(caller.user.text) else {
            throw .tooMany("Too many event streams are open. Close one.", retryAfterSeconds: 5)
        }
        let begin = after.flatMap { $0 } ?? surface.core.view.consensus.appliedIndex
        let stream = TopicStream(
            surface: surface, caller: caller, name: name, inbox: surface.core.topics.follow(name), seat: seat)
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store", .xAccelBuffering: "no"],
            body: ResponseBody { writer in try await stream.run(&writer, after: Self.isKept(name) ? begin : nil) })
    }

    private static func isKept(_ name: TopicName) -> Bool { name.utf8.starts(with: keptPrefix.utf8) }

    private static func name(_ text: String) throws(Problem) -> TopicName {
        guard let name = TopicName(text.normalised), name.utf8 != Array(keptPrefix.utf8) else {
            throw .invalid("A topic's name has 1 to 128 bytes of UTF-8, without control characters.")
        }
        return name
    }
}

extension Broadcast {
    fileprivate init?(fitting bytes: [UInt8], topic: TopicName, author: UserName) {
        guard bytes.count <= Self.bytesMax else { return nil }
        self.init(topic: topic, bytes: bytes, author: author)
    }
}

extension HTTPField.Name {
    /// Where a client's stream of server-sent events broke off (HTML Standard §9.2.4).
    static let lastEventID = HTTPField.Name("Last-Event-ID")!
}
