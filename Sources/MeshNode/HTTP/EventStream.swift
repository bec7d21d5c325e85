import Hummingbird
import NIOCore
import Primitives
import ServiceLifecycle
import Synchronization

/// One open `/mesh/v1/events` stream (server-sent events, HTML Standard §9.2): the status document after every change,
/// at most four a second and at least one every five seconds, and a `route` event for each prompt this node routed.
///
/// Changes that come faster than the client may be told are merged: only the newest status is ever sent. The stream ends
/// when the caller's session does, so that signing out elsewhere also closes what is open here.
struct EventStream: Sendable {
    static let statusIntervalMin: Duration = .milliseconds(250)
    static let statusIntervalMax: Duration = .seconds(5)

    let surface: HTTPSurface
    let caller: Caller
    /// Given back when the stream is forgotten, whether it ever ran or not.
    let seat: StreamQuota.Seat

    func run(_ writer: inout any ResponseBodyWriter) async throws {
        let inbox = EventInbox()
        let core = surface.core
        let routes = surface.routeEvents.subscribe()
        let feeders = [
            Task { for await _ in core.updates() { inbox.statusChanged() } },
            Task { for await event in routes { inbox.add(event) } },
            Task {
                while !Task.isCancelled {
                    inbox.statusChanged()
                    try? await Task.sleep(for: Self.statusIntervalMax)
                }
            },
        ]
        defer { for feeder in feeders { feeder.cancel() } }
        writer = try await withGracefulShutdownHandler {
            try await deliver(inbox, writer)
        } onGracefulShutdown: {
            inbox.finish()
        }
        try await writer.finish(nil)
    }

    private func deliver(_ inbox: EventInbox, _ target: any ResponseBodyWriter) async throws -> any ResponseBodyWriter {
        var writer = target
        for await _ in inbox.wakeups {
            guard surface.authenticator.stillHolds(caller, view: core.view, now: core.now()) else { break }
            let (statusIsDue, routes) = inbox.take()
            for event in routes { try await writer.write(Self.frame("route", ByteBuffer(bytes: event))) }
            guard statusIsDue else { continue }
            let document = StatusDocument(view: core.view, now: core.now()).json.buffer
            try await writer.write(Self.frame("status", document))
            try await Task.sleep(for: Self.statusIntervalMin)
        }
        return writer
    }

    private var core: any MeshCore { surface.core }

    /// `data` is one line: JSON without line breaks.
    private static func frame(_ event: String, _ data: ByteBuffer) -> ByteBuffer {
        var frame = ByteBuffer()
        frame.writeString("event: \(event)\ndata: ")
        frame.writeImmutableBuffer(data)
        frame.writeString("\n\n")
        return frame
    }
}

/// What waits to be sent on one stream. Bounded: status is a flag, and the oldest route events go first.
private final class EventInbox: Sendable {
    private static let routeCountMax = 64

    private struct State {
        var statusIsDue = false
        var routes: [[UInt8]] = []
    }

    let wakeups: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation
    private let state = Mutex(State())

    init() {
        (wakeups, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func statusChanged() {
        state.withLock { $0.statusIsDue = true }
        wake.yield()
    }

    func add(_ route: [UInt8]) {
        state.withLock {
            if $0.routes.count == Self.routeCountMax { $0.routes.removeFirst() }
            $0.routes.append(route)
        }
        wake.yield()
    }

    func take() -> (statusIsDue: Bool, routes: [[UInt8]]) {
        let taken = state.withLock { state in
            let taken = state
            state = State()
            return taken
        }
        return (taken.statusIsDue, taken.routes)
    }

    func finish() { wake.finish() }
}
