import Csodium
import Primitives

/// The two keys that one handshake made, and the frames under them: ChaCha20-Poly1305 with the counter as the nonce, so
/// each frame has its own without a random draw. Opening authenticates first and moves the replay window after.
///
///      0      1            5          13
///     +------+------------+----------+- - - - - - - - - - - - - - - - - -+
///     | 0x14 | receiver 4 | counter 8 | sealed: kind 1, payload | tag 16  |
///     +------+------------+----------+- - - - - - - - - - - - - - - - - -+
///     '------ associated data -------'
///
/// Counters start at 1 (Noise §11.4 lets transport messages carry their nonces), and a session ends long before they do.
package struct Session: Sendable {
    package static let headerByteCount = 13
    /// Header, kind and tag.
    package static let overhead = headerByteCount + 1 + ChaChaPoly.tagByteCount
    /// The largest datagram: what every path carries unfragmented (IPv6 minimum MTU 1280).
    package static let frameByteCountMax = 1200
    /// Of a frame that travels on streams, around a broken link: what one message of consensus may hold, and more.
    package static let passedOnByteCountMax = 2 << 20
    package static let payloadByteCountMax = frameByteCountMax - overhead

    /// WireGuard's figures (whitepaper §6.1). The responder waits longer, so that both do not begin at once.
    static let rekeyAfter: Duration = .seconds(120)
    static let responderRekeyAfter: Duration = .seconds(150)
    static let sendLimit: Duration = .seconds(180)
    /// Frames that were under way may arrive a little later.
    static let receiveLimit: Duration = .seconds(210)
    static let rekeyAfterFrames: UInt64 = 1 << 60

    let localIndex: UInt32
    let remoteIndex: UInt32
    let isInitiator: Bool
    let madeAt: Instant
    /// Under which of the cluster's secrets it was made.
    let epoch: UInt32
    private let sendKey: SecretBytes
    private let receiveKey: SecretBytes
    private(set) var sentCount: UInt64 = 0
    private var window = ReplayWindow()

    package init(
        localIndex: UInt32, remoteIndex: UInt32, isInitiator: Bool, madeAt: Instant,
        keys: (send: SecretBytes, receive: SecretBytes), epoch: UInt32 = Keyring.firstEpoch
    ) {
        self.epoch = epoch
        self.localIndex = localIndex
        self.remoteIndex = remoteIndex
        self.isInitiator = isInitiator
        self.madeAt = madeAt
        sendKey = keys.send
        receiveKey = keys.receive
    }

    /// The highest counter that was opened.
    var highestReceived: UInt64 { window.highest }

    func maySend(at now: Instant) -> Bool { now - madeAt < Self.sendLimit && sentCount < Self.rekeyAfterFrames * 2 }

    func wantsRekey(at now: Instant) -> Bool {
        now - madeAt >= (isInitiator ? Self.rekeyAfter : Self.responderRekeyAfter) || sentCount >= Self.rekeyAfterFrames
    }

    /// Writes the whole frame to `output`, which has room for payload and overhead. Allocates nothing.
    package mutating func seal(
        kind: UInt8, payload: UnsafeBufferPointer<UInt8>, into output: UnsafeMutablePointer<UInt8>
    ) {
        sentCount += 1
        let raw = UnsafeMutableRawPointer(output)
        output[0] = HandshakeFrame.Kind.transport.rawValue
        raw.storeBytes(of: remoteIndex.littleEndian, toByteOffset: 1, as: UInt32.self)
        raw.storeBytes(of: sentCount.littleEndian, toByteOffset: 5, as: UInt64.self)
        let text = output + Self.headerByteCount
        text[0] = kind
        if let start = payload.baseAddress { (text + 1).update(from: start, count: payload.count) }
        ChaChaPoly.seal(
            text, count: payload.count + 1, associated: UnsafeBufferPointer(start: output, count: Self.headerByteCount),
            counter: sentCount, key: sendKey.pointer)
    }

    /// Opens a frame of at least `overhead` bytes into `output`, which has room for kind and payload. Allocates nothing.
    package mutating func open(
        _ frame: UnsafeBufferPointer<UInt8>, into output: UnsafeMutablePointer<UInt8>
    ) throws(FrameRejection) {
        precondition(frame.count >= Self.overhead, "a frame of \(frame.count) bytes was not checked before")
        let counter = UInt64(
            littleEndian: UnsafeRawBufferPointer(frame).loadUnaligned(fromByteOffset: 5, as: UInt64.self))
        // Judged before opening only to save the work; the window moves for authentic frames alone.
        guard window.isFresh(counter) else { throw .replayed }
        let header = UnsafeBufferPointer(rebasing: frame[..<Self.headerByteCount])
        let sealed = UnsafeBufferPointer(rebasing: frame[Self.headerByteCount...])
        guard ChaChaPoly.open(sealed, into: output, associated: header, counter: counter, key: receiveKey.pointer)
        else { throw .unauthentic }
        guard window.accept(counter) else { throw .replayed }
    }

    /// A frame of its own.
    mutating func seal(kind: UInt8, payload: [UInt8]) -> [UInt8] {
        precondition(
            payload.count <= Self.passedOnByteCountMax - Self.overhead,
            "a payload of \(payload.count) bytes fits no frame")
        return [UInt8](count: payload.count + Self.overhead) { output in
            payload.withUnsafeBufferPointer { seal(kind: kind, payload: $0, into: output) }
        }
    }

    /// Kind and payload of a frame.
    mutating func open(_ frame: [UInt8]) throws(FrameRejection) -> (kind: UInt8, payload: [UInt8]) {
        var rejection: FrameRejection?
        var kind: UInt8 = 0
        let payloadCount = frame.count - Self.overhead
        let payload = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: payloadCount + 1) { scratch in
            // At least the kind's byte, hence a base address.
            let text = scratch.baseAddress!
            do throws(FrameRejection) {
                try frame.withUnsafeBufferPointer { buffer throws(FrameRejection) in try open(buffer, into: text) }
            } catch {
                rejection = error
                return [UInt8]()
            }
            kind = text[0]
            defer { sodium_memzero(text, scratch.count) }
            return [UInt8](count: payloadCount) { $0.update(from: text + 1, count: payloadCount) }
        }
        if let rejection { throw rejection }
        return (kind, payload)
    }
}
