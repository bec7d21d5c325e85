import ServiceLifecycle

/// Lets a request end the agent as a signal would: this service ends by itself, and the others follow in order, the mesh
/// last, which says goodbye first.
package final class Departure: Service {
    private let requests: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    package init() {
        (requests, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Returns at once; asking twice is asking once.
    package func request() { continuation.yield() }

    package func run() async throws {
        await cancelWhenGracefulShutdown { [requests] in
            for await _ in requests { return }
        }
    }
}
