import ArgumentParser
import NIOCore
import NIOPosix
import Primitives
import Synchronization

enum LoadAction: String, CaseIterable, ExpressibleByArgument, Sendable {
    case put
    /// Linearizable.
    case get
}

/// Many clients that ask the same kind of thing for a while.
struct LoadRun: Sendable {
    let action: LoadAction
    let valueBytes: Int
    /// At the beginning, and not counted.
    let warmUp: Duration
    let span: Duration

    private static let keyCount = 1000
    /// Keeps clients on different keys, as they begin at the same time.
    private static let keyStride = 7919

    /// The answers to what was sent while it counted, in no order.
    func run(clients: Int, _ targets: [LoadTarget]) async throws -> [LoadClient.Answer] {
        if action == .get { try await fill(targets[0]) }
        // One thread, since the agents need the processors more.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let all = targets.map { requests($0) }
        let counting = ContinuousClock.now + warmUp
        let end = counting + span
        let answers = try await withThrowingTaskGroup(of: [LoadClient.Answer].self) { tasks in
            for client in 0..<clients {
                let target = targets[client % targets.count]
                let requests = all[client % targets.count]
                tasks.addTask {
                    let answers = Recorded(first: client * Self.keyStride)
                    try await LoadClient.run(target, on: group) { last in
                        if let last, last.sentAt >= counting { answers.append(last) }
                        return ContinuousClock.now < end ? requests[answers.takeKey() % requests.count] : nil
                    }
                    return answers.all
                }
            }
            return try await tasks.reduce(into: []) { $0 += $1 }
        }
        try await group.shutdownGracefully()
        return answers
    }

    /// One for each key, made beforehand.
    private func requests(_ target: LoadTarget) -> [ByteBuffer] {
        let value = ByteBuffer(repeating: UInt8(ascii: "x"), count: valueBytes)
        return (0..<Self.keyCount).map { number in
            switch action {
            case .put: target.put("bench-\(number)", value)
            case .get: target.get("bench-\(number)")
            }
        }
    }

    /// Gives reads something to find.
    private func fill(_ target: LoadTarget) async throws {
        let requests = LoadRun(action: .put, valueBytes: valueBytes, warmUp: .zero, span: .zero).requests(target)
        let progress = Recorded(first: 0)
        try await LoadClient.run(target, on: MultiThreadedEventLoopGroup.singleton) { _ in
            let key = progress.takeKey()
            return key < requests.count ? requests[key] : nil
        }
    }

    /// One client's, touched by its event loop alone until it has ended.
    private final class Recorded: Sendable {
        private let state: Mutex<(answers: [LoadClient.Answer], key: Int)>

        init(first: Int) { state = Mutex((answers: [], key: first)) }

        var all: [LoadClient.Answer] { state.withLock { $0.answers } }

        func append(_ answer: LoadClient.Answer) { state.withLock { $0.answers.append(answer) } }

        func takeKey() -> Int {
            state.withLock { state in
                defer { state.key += 1 }
                return state.key
            }
        }
    }
}
