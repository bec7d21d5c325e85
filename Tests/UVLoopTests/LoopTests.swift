import Primitives
import Synchronization
import Testing
import UVLoop

/// A loop that ends by itself if a test does not end it.
struct BoundedLoop {
    let loop: Loop
    private let limit: LoopTimer
    private let timedOut = Counter()

    init(seconds: Int = 20) throws {
        let loop = try Loop()
        let timedOut = timedOut
        self.loop = loop
        limit = try LoopTimer(on: loop) {
            timedOut.value += 1
            loop.stop()
        }
        limit.arm(at: MonotonicClock.now() + .seconds(seconds))
    }

    /// Runs until a callback stops it; every handle must be closed afterwards.
    func run(sourceLocation: SourceLocation = #_sourceLocation) {
        loop.run()
        #expect(timedOut.value == 0, "the loop was stopped by the time limit", sourceLocation: sourceLocation)
        #expect(loop.openHandleCount == 0, sourceLocation: sourceLocation)
    }
}

/// A number that callbacks of one thread share.
final class Counter {
    var value = 0
}

final class Log<Element> {
    var items: [Element] = []
}

@Suite struct LoopTests {
    @Test func `a loop with nothing to wait for ends, and leaves no handle open`() throws {
        let loop = try Loop()
        let hook = try CheckHook(on: loop) {}
        #expect(loop.openHandleCount == 1)
        loop.run()
        #expect(loop.openHandleCount == 0)
        _ = hook
    }

    @Test func `stop closes sockets, listeners, timers, hooks and workers`() throws {
        let bounded = try BoundedLoop()
        let loop = bounded.loop
        let any = Endpoint(ipv4: 127, 0, 0, 1, port: 0)
        _ = try UDPSocket.bind(any, on: loop) { _, _ in }
        _ = try TCPListener.listen(on: any, loop: loop) { _ in }
        _ = try CheckHook(on: loop) {}
        _ = try Wakeup(on: loop) {}
        _ = try FileWorker(on: loop)
        let timer = try LoopTimer(on: loop) { loop.stop() }
        timer.arm(at: MonotonicClock.now())
        #expect(loop.openHandleCount == 7)
        bounded.run()
    }

    @Test func `objects go with their handles`() throws {
        weak var socket: UDPSocket?
        weak var connection: TCPConnection?
        weak var loop: Loop?
        func scope() throws {
            let bounded = try BoundedLoop()
            loop = bounded.loop
            socket = try UDPSocket.bind(Endpoint(ipv4: 127, 0, 0, 1, port: 0), on: bounded.loop) { _, _ in }
            let stopped = bounded.loop
            connection = try TCPConnection.connect(to: Endpoint(ipv4: 127, 0, 0, 1, port: 1), on: stopped) { _, event in
                if case .closed = event { stopped.stop() }
            }
            #expect(socket != nil)
            #expect(connection != nil)
            bounded.run()
        }
        try scope()
        #expect(socket == nil)
        #expect(connection == nil)
        #expect(loop == nil)
    }

    @Test func `timers fire in the order of their deadlines and never early`() throws {
        let bounded = try BoundedLoop()
        let log = Log<(Int, Instant)>()
        let start = MonotonicClock.now()
        let spans = [30, 10, 20, 0]
        let timers = try spans.map { span in
            try LoopTimer(on: bounded.loop) {
                log.items.append((span, MonotonicClock.now()))
                if span == 30 { bounded.loop.stop() }
            }
        }
        for (span, timer) in zip(spans, timers) { timer.arm(at: start + .milliseconds(span)) }
        bounded.run()
        #expect(log.items.map(\.0) == [0, 10, 20, 30])
        for (span, at) in log.items { #expect(at >= start + .milliseconds(span)) }
    }

    @Test func `a timer armed for fractions of a millisecond is never early`() throws {
        let bounded = try BoundedLoop()
        let early = Counter()
        let fired = Counter()
        let log = Log<LoopTimer>()
        var deadline = MonotonicClock.now()
        let timer = try LoopTimer(on: bounded.loop) {
            if MonotonicClock.now() < deadline { early.value += 1 }
            fired.value += 1
            if fired.value == 100 { return bounded.loop.stop() }
            deadline = MonotonicClock.now() + .microseconds(137 * (fired.value % 13))
            log.items.first?.arm(at: deadline)
        }
        log.items = [timer]
        timer.arm(at: deadline)
        bounded.run()
        log.items = []
        #expect(fired.value == 100)
        #expect(early.value == 0)
    }

    @Test func `arming again replaces the deadline, and a disarmed timer stays silent`() throws {
        let bounded = try BoundedLoop()
        let log = Log<String>()
        let moved = try LoopTimer(on: bounded.loop) { log.items.append("moved") }
        let silent = try LoopTimer(on: bounded.loop) { log.items.append("silent") }
        let end = try LoopTimer(on: bounded.loop) { bounded.loop.stop() }
        let now = MonotonicClock.now()
        moved.arm(at: now + .milliseconds(5))
        moved.arm(at: now + .milliseconds(10))
        silent.arm(at: now + .milliseconds(5))
        silent.disarm()
        end.arm(at: now + .milliseconds(40))
        bounded.run()
        #expect(log.items == ["moved"])
    }

    @Test func `the check hook runs after the sockets were read, even when a timer was due earlier`() throws {
        let bounded = try BoundedLoop()
        let log = Log<String>()
        let socket = try UDPSocket.bind(Endpoint(ipv4: 127, 0, 0, 1, port: 0), on: bounded.loop) { _, _ in
            log.items.append("datagram")
        }
        let hook = try CheckHook(on: bounded.loop) {
            guard log.items.contains("datagram") else { return }
            log.items.append("check")
            bounded.loop.stop()
        }
        let timer = try LoopTimer(on: bounded.loop) { log.items.append("timer") }
        socket.send([1], to: socket.localEndpoint)
        timer.arm(at: MonotonicClock.now())
        bounded.run()
        #expect(log.items == ["timer", "datagram", "check"])
        _ = hook
    }

    @Test func `a check hook follows a timer that became due since the hook before, though nothing else happens`() throws {
        let bounded = try BoundedLoop(seconds: 2)
        let log = Log<String>()
        let timer = try LoopTimer(on: bounded.loop) { log.items.append("timer") }
        let hook = try CheckHook(on: bounded.loop) {
            log.items.append("check")
            if log.items.contains("timer") { bounded.loop.stop() }
        }
        timer.arm(at: MonotonicClock.now())
        bounded.run()
        #expect(log.items == ["timer", "check"])
        _ = hook
    }

    @Test func `the clock advances while nothing runs`() {
        let before = MonotonicClock.now()
        var now = before
        for _ in 0..<1_000_000 where now == before { now = MonotonicClock.now() }
        #expect(now > before)
    }
}
