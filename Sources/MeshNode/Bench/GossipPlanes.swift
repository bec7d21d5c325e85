import Gossip
import NodeCore
import Primitives
import SecureChannel
import UVLoop

/// Many agents' gossip planes in one process: each a `Membership` with its own UDP socket on loopback and its own clock's
/// eyes, all on one loop, in real time. Frames name their sender and are not sealed; everything else is the agent's.
///
///     frame   sender:16 | gossip payload
package final class GossipPlanes {
    package struct Figure: Sendable {
        package var formedSeconds: Double?
        /// When each survivor held the silenced plane dead, since its silence.
        package var deadSeconds: [Double] = []
        /// When each held the leaving plane gone, since its goodbye.
        package var leftSeconds: [Double] = []
        /// Somebody well was held dead.
        package var falseVerdicts = 0
        /// Frames with their UDP and IPv4 headers, as they would be sealed.
        package var idleBytesPerSecond: Double = 0
    }

    private final class Plane {
        var core: Membership
        var socket: UDPSocket?
        let timer: LoopTimer
        var isSilent = false
        var bytesSent = 0

        init(core: Membership, timer: LoopTimer) {
            self.core = core
            self.timer = timer
        }
    }

    private static let headerBytes = 28
    private let loop: Loop
    private var planes: [Plane] = []
    private var script: LoopTimer?
    private var figure = Figure()
    private var silencedAt: Instant?
    private var leftAt: Instant?

    private init() throws { loop = try Loop() }

    /// Lets `count` planes find each other, idle, lose one without a word and one with a goodbye; about ten seconds.
    package static func run(_ count: Int, idleSeconds: Int = 3) throws -> Figure {
        precondition((3...1000).contains(count), "\(count) planes")
        let planes = try GossipPlanes()
        try planes.open(count)
        try planes.plan(idleSeconds: idleSeconds)
        planes.loop.run()
        return planes.figure
    }

    private static func id(_ number: Int) -> NodeID { NodeID(high: UInt64(number + 1) << 48, low: UInt64(number)) }

    private func open(_ count: Int) throws {
        var contacts: [Contact] = []
        var sockets: [UDPSocket] = []
        for number in 0..<count {
            let socket = try UDPSocket.bind(Endpoint(ipv4: 127, 0, 0, 1, port: 0), on: loop) { [weak self] in
                self?.receive($0, from: $1, at: number)
            }
            sockets.append(socket)
            contacts.append(Contact(id: Self.id(number), name: "p\(number + 1)", endpoint: socket.localEndpoint))
        }
        let now = MonotonicClock.now()
        for number in 0..<count {
            // Signing is not what is tried here: whatever is signed is believed.
            let notary = Notary(
                sign: { _ in Array(repeating: 0, count: Notary.signatureBytes) }, check: { _, _, _ in true })
            let core = Membership(
                me: contacts[number], bootEpoch: 1, config: GossipConfig(), seeds: Array(contacts.prefix(3)),
                notary: notary, random: SeededRandom(seed: UInt64(number)), now: now)
            let timer = try LoopTimer(on: loop) { [weak self] in self?.wake(number) }
            let plane = Plane(core: core, timer: timer)
            plane.socket = sockets[number]
            planes.append(plane)
            timer.arm(at: now)
        }
    }

    // MARK: The story

    private func plan(idleSeconds: Int) throws {
        let start = MonotonicClock.now()
        let idle = Duration.seconds(idleSeconds)
        var formedAt: Instant?
        var isCounting = false
        script = try LoopTimer(on: loop) { [weak self] in
            guard let self else { return }
            let now = MonotonicClock.now()
            if formedAt == nil, planes.allSatisfy({ $0.core.members.count { $0.state == .alive } == planes.count }) {
                formedAt = now
                figure.formedSeconds = (now - start).inSeconds
            }
            guard let formedAt else { return now - start > .seconds(20) ? close() : next(now) }
            if !isCounting, now - formedAt > .seconds(2) {
                isCounting = true
                for plane in planes { plane.bytesSent = 0 }
            }
            if silencedAt == nil, now - formedAt > .seconds(2) + idle {
                figure.idleBytesPerSecond =
                    Double(planes.reduce(0) { $0 + $1.bytesSent }) / Double(planes.count) / idle.inSeconds
                silencedAt = now
                planes[planes.count - 1].isSilent = true
            }
            if let silencedAt, leftAt == nil, now - silencedAt > .seconds(6) {
                leftAt = now
                input(planes.count - 2) { $0.leave(now: now, into: &$1) }
            }
            if let leftAt, now - leftAt > .milliseconds(500) { return close() }
            next(now)
        }
        script?.arm(at: start)
    }

    private func next(_ now: Instant) { script?.arm(at: now + .milliseconds(5)) }

    private func close() {
        for plane in planes {
            plane.socket?.close()
            plane.timer.close()
        }
        script?.close()
        loop.stop()
    }

    // MARK: A plane

    private func wake(_ number: Int) {
        guard !planes[number].isSilent else { return }
        input(number) { $0.tick(now: MonotonicClock.now(), into: &$1) }
    }

    private func receive(_ bytes: [UInt8], from source: Endpoint, at number: Int) {
        guard !planes[number].isSilent, let sender = NodeID(bytes: Array(bytes.prefix(NodeID.byteCount))) else {
            return
        }
        let payload = Array(bytes.dropFirst(NodeID.byteCount))
        input(number) { $0.handle(payload, from: sender, at: source, now: MonotonicClock.now(), into: &$1) }
    }

    private func input(_ number: Int, _ body: (inout Membership, inout [GossipEffect]) -> Void) {
        let plane = planes[number]
        var effects: [GossipEffect] = []
        body(&plane.core, &effects)
        for effect in effects {
            switch effect {
            case .send(let payload, _, let endpoint):
                plane.bytesSent += payload.count + Session.overhead + Self.headerBytes
                plane.socket?.send(Self.id(number).bytes + payload, to: endpoint)
            case .sendStream, .sectionChanged, .fenced: break
            case .memberChanged(let member): note(member, at: number)
            }
        }
        plane.timer.arm(at: plane.core.nextDeadline)
    }

    private func note(_ member: Member, at observer: Int) {
        let now = MonotonicClock.now()
        let (silent, leaving) = (Self.id(planes.count - 1), Self.id(planes.count - 2))
        switch member.state {
        case .alive, .suspect: break
        case .dead:
            if let silencedAt, member.id == silent {
                figure.deadSeconds.append((now - silencedAt).inSeconds)
            } else {
                figure.falseVerdicts += 1
            }
        case .left:
            if let leftAt, member.id == leaving, observer != planes.count - 2 {
                figure.leftSeconds.append((now - leftAt).inSeconds)
            }
        }
    }
}
