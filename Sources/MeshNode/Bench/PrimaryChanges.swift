import NIOCore
import NIOPosix
import Primitives
import Synchronization

/// Kills the preferred primary of a mesh again and again, under the writes of one client at another node, and lets it
/// come back each time: what the client notices of its loss, and of its return.
struct PrimaryChanges {
    let mesh: BenchAgents

    private static let calm: Duration = .milliseconds(300)
    private static let pollInterval: Duration = .milliseconds(20)
    private static let patience: Duration = .seconds(60)

    func measure(kills: Int) async throws -> (failovers: [Duration], handOvers: [Duration]) {
        let preferred = mesh.nodes[0]
        var failovers: [Duration] = []
        var handOvers: [Duration] = []
        for number in 0..<kills {
            let witness = mesh.nodes[1 + number % (mesh.nodes.count - 1)]
            try await waitUntil { try await isSettled(preferred, as: witness) }
            let (failover, handOver) = try await measureOnce(preferred, witness)
            failovers.append(failover)
            handOvers.append(handOver)
        }
        return (failovers, handOvers)
    }

    private func measureOnce(_ preferred: DemoNode, _ witness: DemoNode) async throws -> (Duration, Duration) {
        guard let target = LoadTarget(base: witness.http, token: mesh.key) else {
            throw DemoFailure("\(witness.http) is no address to write to")
        }
        let history = History(request: target.put("bench-change", ByteBuffer(string: "value")))
        let writing = Task {
            try await LoadClient.run(target, on: MultiThreadedEventLoopGroup.singleton) { history.next($0) }
        }
        defer { writing.cancel() }
        try await Task.sleep(for: Self.calm)
        let killedAt = ContinuousClock.now
        mesh.kill(preferred)
        try await waitUntil { history.firstAccepted(sentAfter: killedAt) != nil }
        guard let accepted = history.firstAccepted(sentAfter: killedAt) else { preconditionFailure("it was there") }
        history.forget()
        try mesh.restart(preferred)
        var lastWithout = ContinuousClock.now
        try await waitUntil {
            let now = ContinuousClock.now
            if try await mesh.client(of: witness).status().primary == preferred.name { return true }
            lastWithout = now
            return false
        }
        try await Task.sleep(for: Self.calm)
        history.stop()
        try await writing.value
        return (accepted - killedAt, history.longestGap(since: lastWithout - Self.calm))
    }

    private func isSettled(_ preferred: DemoNode, as witness: DemoNode) async throws -> Bool {
        guard let status = try? await mesh.client(of: witness).status() else { return false }
        return status.primary == preferred.name && status.members.allSatisfy { $0.state == "alive" }
    }

    private func waitUntil(_ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + Self.patience
        while !(try await condition()) {
            guard ContinuousClock.now < deadline else {
                throw DemoFailure("the mesh did not get there within a minute; is the machine overloaded?")
            }
            try await Task.sleep(for: Self.pollInterval)
        }
    }

    /// The answers to one client that writes without a pause.
    private final class History: Sendable {
        private struct State {
            var accepted: [LoadClient.Answer] = []
            var isStopped = false
        }

        private let state = Mutex(State())
        private let request: ByteBuffer

        init(request: ByteBuffer) { self.request = request }

        func next(_ last: LoadClient.Answer?) -> ByteBuffer? {
            state.withLock { state in
                if let last, last.isSuccess { state.accepted.append(last) }
                return state.isStopped ? nil : request
            }
        }

        func stop() { state.withLock { $0.isStopped = true } }

        /// What lies behind; keeps the list short.
        func forget() { state.withLock { $0.accepted.removeAll() } }

        func firstAccepted(sentAfter moment: ContinuousClock.Instant) -> ContinuousClock.Instant? {
            state.withLock { $0.accepted.first { $0.sentAt > moment }?.heardAt }
        }

        func longestGap(since moment: ContinuousClock.Instant) -> Duration {
            state.withLock { state in
                let moments = state.accepted.map(\.heardAt).filter { $0 >= moment }
                return zip(moments, moments.dropFirst()).map { $1 - $0 }.max() ?? .zero
            }
        }
    }
}
