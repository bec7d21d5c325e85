import Primitives
import Testing
import UVLoop

private let anyPort = Endpoint(ipv4: 127, 0, 0, 1, port: 0)

@Suite struct UDPSocketTests {
    @Test func `a burst of datagrams is echoed whole and attributed to its sender`() throws {
        let bounded = try BoundedLoop()
        let sockets = Log<UDPSocket>()
        let echoed = Log<[UInt8]>()
        sockets.items.append(
            try UDPSocket.bind(anyPort, on: bounded.loop) { bytes, from in sockets.items[0].send(bytes, to: from) })
        sockets.items.append(
            try UDPSocket.bind(anyPort, on: bounded.loop) { bytes, from in
                #expect(from == sockets.items[0].localEndpoint)
                echoed.items.append(bytes)
                if echoed.items.count == 100 { bounded.loop.stop() }
            })
        let sent = (0..<100).map { [UInt8](repeating: UInt8($0), count: 1 + $0 * 12) }
        for bytes in sent {
            #expect(sockets.items[1].send(bytes, to: sockets.items[0].localEndpoint) == .sent)
        }
        bounded.run()
        sockets.items = []
        #expect(echoed.items == sent)
    }

    @Test func `IPv6 and mapped IPv4 reach a socket on all addresses`() throws {
        let bounded = try BoundedLoop()
        let from = Log<Endpoint>()
        let wild = try UDPSocket.bind(Endpoint(high: 0, low: 0, port: 0), on: bounded.loop) { _, endpoint in
            from.items.append(endpoint)
            if from.items.count == 2 { bounded.loop.stop() }
        }
        let port = wild.localEndpoint.port
        let four = try UDPSocket.bind(anyPort, on: bounded.loop) { _, _ in }
        let six = try UDPSocket.bind(Endpoint(high: 0, low: 1, port: 0), on: bounded.loop) { _, _ in }
        four.send([4], to: Endpoint(ipv4: 127, 0, 0, 1, port: port))
        six.send([6], to: Endpoint(high: 0, low: 1, port: port))
        bounded.run()
        #expect(Set(from.items) == [four.localEndpoint, six.localEndpoint])
    }

    @Test func `an address of the other family is dropped and counted`() throws {
        let loop = try Loop()
        let socket = try UDPSocket.bind(anyPort, on: loop) { _, _ in }
        #expect(socket.send([1], to: Endpoint(high: 0, low: 1, port: 9)) == .dropped)
        #expect(socket.droppedSendCount == 1)
        loop.stop()
        loop.run()
        #expect(socket.send([1], to: socket.localEndpoint) == .dropped)
    }

    @Test func `a port in use is named in the error`() throws {
        let loop = try Loop()
        let socket = try UDPSocket.bind(anyPort, on: loop) { _, _ in }
        let error = #expect(throws: UVError.self) {
            _ = try UDPSocket.bind(socket.localEndpoint, on: loop) { _, _ in }
        }
        #expect(error?.isAddressInUse == true)
        #expect(error?.description == "cannot bind UDP \(socket.localEndpoint): address already in use")
        loop.stop()
        loop.run()
        #expect(loop.openHandleCount == 0)
    }
}

@Suite struct TCPTests {
    @Test func `a mebibyte is echoed byte for byte`() throws {
        let bounded = try BoundedLoop()
        let received = Log<UInt8>()
        let ends = Log<String>()
        let listener = try TCPListener.listen(on: anyPort, loop: bounded.loop) { connection in
            connection.begin { connection, event in
                switch event {
                case .opened, .drained: break
                case .received(let bytes): #expect(connection.write(bytes))
                case .closed(let error):
                    ends.items.append("server \(error?.description ?? "end")")
                    bounded.loop.stop()
                }
            }
        }
        var random = SeededRandom(seed: 7)
        let payload = random.bytes(1 << 20)
        _ = try TCPConnection.connect(to: listener.localEndpoint, on: bounded.loop) { connection, event in
            switch event {
            case .opened: #expect(connection.write(payload))
            case .drained: break
            case .received(let bytes):
                received.items += bytes
                if received.items.count == payload.count { connection.close() }
            case .closed(let error): ends.items.append("client \(error?.description ?? "end")")
            }
        }
        bounded.run()
        #expect(received.items == payload)
        #expect(ends.items == ["client end", "server end"])
    }

    @Test func `a refused connection closes once, with the address in its error`() throws {
        let bounded = try BoundedLoop()
        let listener = try TCPListener.listen(on: anyPort, loop: bounded.loop) { _ in }
        let endpoint = listener.localEndpoint
        listener.close()
        let log = Log<UVError?>()
        // The listener's port is free only after its close callback, a turn later.
        let timer = try LoopTimer(on: bounded.loop) {
            _ = try? TCPConnection.connect(to: endpoint, on: bounded.loop) { connection, event in
                guard case .closed(let error) = event else { return }
                #expect(!connection.write([1]))
                log.items.append(error)
                bounded.loop.stop()
            }
        }
        timer.arm(at: MonotonicClock.now() + .milliseconds(5))
        bounded.run()
        #expect(log.items.count == 1)
        #expect(log.items.first??.isConnectionRefused == true)
        #expect(log.items.first??.description == "cannot connect to TCP \(endpoint): connection refused")
    }

    @Test func `a reader that never reads meets the backlog limit`() throws {
        let bounded = try BoundedLoop()
        // Accepted and never begun: nothing is read.
        let held = Log<TCPConnection>()
        let listener = try TCPListener.listen(on: anyPort, loop: bounded.loop) { held.items.append($0) }
        let accepted = Counter()
        _ = try TCPConnection.connect(to: listener.localEndpoint, on: bounded.loop) { connection, event in
            guard case .opened = event else { return }
            let piece = [UInt8](repeating: 1, count: 1 << 20)
            while accepted.value < 100, connection.write(piece) { accepted.value += 1 }
            #expect(connection.backlogByteCount <= TCPConnection.backlogByteCountMax)
            bounded.loop.stop()
        }
        bounded.run()
        held.items = []
        #expect((16..<100).contains(accepted.value))
    }

    @Test func `a slow reader that catches up drains the backlog in order`() throws {
        let bounded = try BoundedLoop()
        let held = Log<TCPConnection>()
        let written = Counter()
        let read = Counter()
        let listener = try TCPListener.listen(on: anyPort, loop: bounded.loop) { held.items.append($0) }
        let reader = try LoopTimer(on: bounded.loop) {
            held.items.first?.begin { _, event in
                guard case .received(let bytes) = event else { return }
                #expect(bytes.first == UInt8(truncatingIfNeeded: read.value >> 20))
                read.value += bytes.count
                if read.value == written.value { bounded.loop.stop() }
            }
        }
        let drained = Counter()
        _ = try TCPConnection.connect(to: listener.localEndpoint, on: bounded.loop) { connection, event in
            switch event {
            case .opened:
                while connection.backlogByteCount < 4 << 20 {
                    let index = UInt8(truncatingIfNeeded: written.value >> 20)
                    #expect(connection.write([UInt8](repeating: index, count: 1 << 20)))
                    written.value += 1 << 20
                }
                reader.arm(at: MonotonicClock.now() + .milliseconds(5))
            case .drained: drained.value += 1
            default: break
            }
        }
        bounded.run()
        held.items = []
        #expect(read.value == written.value)
        #expect(drained.value == 1)
    }

    @Test func `closing while connecting ends in one closed event`() throws {
        let bounded = try BoundedLoop()
        let log = Log<String>()
        let listener = try TCPListener.listen(on: anyPort, loop: bounded.loop) { $0.close() }
        let connection = try TCPConnection.connect(to: listener.localEndpoint, on: bounded.loop) { _, event in
            log.items.append("\(event)")
            bounded.loop.stop()
        }
        connection.close()
        #expect(log.items.isEmpty)
        bounded.run()
        #expect(log.items == ["closed(nil)"])
    }

    @Test func `a port in use is named in the error`() throws {
        let loop = try Loop()
        let listener = try TCPListener.listen(on: anyPort, loop: loop) { _ in }
        let error = #expect(throws: UVError.self) {
            _ = try TCPListener.listen(on: listener.localEndpoint, loop: loop) { _ in }
        }
        #expect(error?.isAddressInUse == true)
        #expect(error?.description == "cannot listen on TCP \(listener.localEndpoint): address already in use")
        loop.stop()
        loop.run()
        #expect(loop.openHandleCount == 0)
    }
}
