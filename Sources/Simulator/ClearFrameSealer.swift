import Primitives
import SecureChannel

/// Frames without cryptography, for simulations only: sealing alone would cost most of the simulator's speed. It keeps
/// what the brain may rely on: a frame names its true sender, opens at its recipient alone, and opens once. A session dies
/// with either process, so what was sealed for one life of its recipient does not open in the next.
///
/// ```
/// kind 1 | sender's place 1 | recipient's place 1 | boot epoch 4 | recipient's, 0: not heard yet 4 | counter 8 | payload
/// ```
struct ClearFrameSealer: FrameSealer {
    private struct Sender: Sendable {
        var bootEpoch: UInt32 = 0
        var window = ReplayWindow()
    }

    static let headerBytes = 19
    /// A place that no node has makes a frame malformed.
    static let senderOffset = 1
    static let recipientOffset = 2

    /// Everyone, by place: at most 64 nodes.
    private let nodes: [NodeID]
    private let me: UInt8
    private let bootEpoch: UInt32
    private var counter: UInt64 = 0
    private var senders: [Sender]

    init(me: Int, nodes: [NodeID], bootEpoch: UInt32) {
        self.nodes = nodes
        self.me = UInt8(me)
        self.bootEpoch = bootEpoch
        senders = Array(repeating: Sender(), count: nodes.count)
    }

    var overhead: Int { Self.headerBytes }

    var nextDeadline: Instant { .distantFuture }
    var hasOutbox: Bool { false }
    func takeOutbox() -> [OutboundFrame] { [] }
    func tick(now: Instant) {}
    func hasSession(with peer: NodeID, at now: Instant) -> Bool { true }
    func path(to node: NodeID) -> Endpoint? { nil }
    func checkInvariants() {}

    mutating func seal(_ payload: [UInt8], kind: FrameKind, to recipient: NodeID, now: Instant) -> [UInt8]? {
        guard let place = nodes.firstIndex(where: { $0.low == recipient.low && $0 == recipient }) else {
            preconditionFailure("\(recipient) is no node of this world")
        }
        counter += 1
        var writer = ByteWriter(capacity: payload.count + overhead)
        writer.write(kind.rawValue)
        writer.write(me)
        writer.write(UInt8(place))
        writer.write(bootEpoch)
        writer.write(senders[place].bootEpoch)
        writer.write(counter)
        writer.writeRaw(payload)
        return writer.bytes
    }

    mutating func open(
        _ frame: [UInt8], from source: Endpoint?, now: Instant
    ) throws(FrameRejection) -> OpenedFrame? {
        var reader = ByteReader(frame)
        guard let rawKind = try? reader.readUInt8(), let kind = FrameKind(rawValue: rawKind),
            let sender = try? reader.readUInt8(), Int(sender) < nodes.count, let recipient = try? reader.readUInt8(),
            let bootEpoch = try? reader.readUInt32(), let recipientEpoch = try? reader.readUInt32(),
            let counter = try? reader.readUInt64()
        else { throw .malformed }
        guard recipient == me else { throw .unauthentic }
        guard sender != me else { throw .echoed }
        guard recipientEpoch == 0 || recipientEpoch == self.bootEpoch else { throw .unknownSession }
        let place = Int(sender)
        if bootEpoch > senders[place].bootEpoch { senders[place] = Sender(bootEpoch: bootEpoch) }
        guard bootEpoch == senders[place].bootEpoch, senders[place].window.accept(counter) else { throw .replayed }
        return OpenedFrame(
            peer: AuthenticatedPeer(node: nodes[place]), kind: kind, payload: reader.readRest())
    }
}
