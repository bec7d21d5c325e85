import NodeCore
import Primitives
import SecureChannel

/// Speaks as one of a mesh's nodes, in a later process life of that node: with its keys, over sessions of its own.
struct Voice {
    private var sessions: PeerSessions
    private let place: Int

    init(of place: Int, _ mesh: BrainPair) {
        self.place = place
        sessions = PeerSessions(
            keys: BrainPair.keys(of: mesh.ids[place], among: mesh.ids), bootEpoch: 2,
            entropy: CountingEntropy(next: UInt8(200 + place)))
    }

    /// Makes a session with `target`, which is still pending there; nothing else comes of it.
    mutating func connect(to target: Int, _ mesh: inout BrainPair) {
        _ = sessions.seal([], kind: .node, to: mesh.ids[target], now: mesh.now)
        let known = mesh.letters.count
        for hello in sessions.takeOutbox() {
            mesh.give(.datagram(hello.bytes, from: mesh.endpoints[place]), to: target)
        }
        for letter in mesh.letters.dropFirst(known) where letter.to == place {
            _ = try? sessions.open(letter.bytes, from: mesh.endpoints[target], now: mesh.now)
        }
        _ = sessions.takeOutbox()
        mesh.letters.removeSubrange(known...)
    }

    mutating func sealed(_ payload: [UInt8], _ kind: FrameKind, for target: Int, _ mesh: BrainPair) -> [UInt8] {
        guard let frame = sessions.seal(payload, kind: kind, to: mesh.ids[target], now: mesh.now) else {
            preconditionFailure("connect first")
        }
        return frame
    }

    mutating func say(_ payload: [UInt8], _ kind: FrameKind, to target: Int, _ mesh: inout BrainPair) {
        mesh.give(.datagram(sealed(payload, kind, for: target, mesh), from: mesh.endpoints[place]), to: target)
    }
}
