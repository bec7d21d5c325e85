import Csodium
import Primitives

/// Datagrams under one key that the whole cluster shares: XChaCha20-Poly1305 with random 24-byte nonces
/// (draft-irtf-cfrg-xchacha), so that no two holders of the key have to agree on nonces.
///
///      0       1      2                 10             14          30           38        46         70
///     +---------+------+-----------------+--------------+-----------+------------+---------+----------+- - - - -+
///     | version | kind | cluster tag (8) | recipient(4) | sender 16 | boot epoch | counter | nonce 24 | sealed  |
///     +---------+------+-----------------+--------------+-----------+------------+---------+----------+- - - - -+
///     '--------------------- associated data, with recipient id (16) and cluster id (16) ---'
///
/// Integers are big-endian. `sealed` is ciphertext and 16-byte tag. Full recipient and cluster ids are covered by the
/// seal but do not travel; the four recipient bytes only tell a misdirected frame from a forged one.
///
/// What it does not give, and per-peer sessions do: proof of which holder spoke, forward secrecy, and protection from
/// frames recorded before *this* node restarted (its windows start empty, so each such frame opens once more).
package struct SharedKeyFrameSealer: FrameSealer {
    package static let overhead = headerByteCount + nonceByteCount + tagByteCount
    /// The largest datagram that is sent or opened: what every path carries unfragmented (IPv6 minimum MTU 1280).
    package static let frameByteCountMax = 1200
    package static let payloadByteCountMax = frameByteCountMax - overhead
    package static let version: UInt8 = 1

    private static let headerByteCount = 46
    private static let nonceByteCount = 24
    private static let tagByteCount = 16
    private static let associatedByteCount = headerByteCount + NodeID.byteCount + ClusterKey.idByteCount

    private let key: SecretBytes
    private let clusterTag: UInt64
    private let clusterID: [UInt8]
    private let me: NodeID
    private let bootEpoch: UInt64
    private var entropy: any Entropy
    /// Counts this start's frames to all recipients alike; the first is 1.
    private var counter: UInt64 = 0
    private var senders = SenderLedger()

    /// `bootEpoch` must grow with every start of this node: others refuse frames of an earlier start.
    package init(cluster: ClusterKey, me: NodeID, bootEpoch: UInt64, entropy: any Entropy) {
        key = cluster.derive("frame 1")
        clusterTag = cluster.tag
        clusterID = cluster.id
        self.me = me
        self.bootEpoch = bootEpoch
        self.entropy = entropy
    }

    package var overhead: Int { Self.overhead }

    /// Traps on a payload beyond `payloadByteCountMax`: the senders above know their budget.
    package mutating func seal(_ payload: [UInt8], kind: FrameKind, to recipient: NodeID) -> [UInt8] {
        precondition(
            payload.count <= Self.payloadByteCountMax,
            "a payload of \(payload.count) bytes exceeds the frame's \(Self.payloadByteCountMax)")
        counter += 1
        var nonce: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &nonce) { entropy.fill($0) }
        return [UInt8](count: Self.overhead + payload.count) { frame in
            writeHeader(at: frame, kind: kind, recipient: recipient)
            withUnsafeBytes(of: nonce) {
                UnsafeMutableRawPointer(frame + Self.headerByteCount).copyMemory(
                    from: $0.baseAddress!, byteCount: Self.nonceByteCount)  // A tuple of three words has an address.
            }
            let sealed = frame + Self.headerByteCount + Self.nonceByteCount
            withAssociatedData(header: frame, recipient: recipient) { data in
                crypto_aead_xchacha20poly1305_ietf_encrypt(
                    sealed, nil, payload, UInt64(payload.count), data, UInt64(Self.associatedByteCount), nil,
                    frame + Self.headerByteCount, key.pointer)
            }
        }
    }

    package mutating func open(_ frame: [UInt8]) throws(FrameRejection) -> OpenedFrame {
        guard (Self.overhead...Self.frameByteCountMax).contains(frame.count), frame[0] == Self.version,
            let kind = FrameKind(rawValue: frame[1])
        else { throw .malformed }
        guard Self.word(frame, at: 2) == clusterTag else { throw .foreignCluster }
        let sender = NodeID(high: Self.word(frame, at: 14), low: Self.word(frame, at: 22))
        guard sender != me else { throw .echoed }
        guard frame[10..<14].elementsEqual(Self.hint(of: me)) else { throw .misdirected }
        guard let payload = decrypt(frame) else { throw .unauthentic }
        // Only now: a forged counter must neither be judged nor move a window.
        let isFresh = senders.accept(
            sender, bootEpoch: Self.word(frame, at: 30), counter: Self.word(frame, at: 38))
        guard isFresh else { throw .replayed }
        return OpenedFrame(peer: AuthenticatedPeer(node: sender, assurance: .unproven), kind: kind, payload: payload)
    }

    package func checkInvariants() { senders.checkInvariants() }

    private func decrypt(_ frame: [UInt8]) -> [UInt8]? {
        var opened = false
        let payload = [UInt8](count: frame.count - Self.overhead) { output in
            frame.withUnsafeBufferPointer { buffer in
                // `open` checked that the frame has at least `overhead` bytes, hence a base address.
                let start = buffer.baseAddress!
                let nonce = start + Self.headerByteCount
                withAssociatedData(header: start, recipient: me) { data in
                    opened =
                        crypto_aead_xchacha20poly1305_ietf_decrypt(
                            output, nil, nil, nonce + Self.nonceByteCount,
                            UInt64(frame.count - Self.headerByteCount - Self.nonceByteCount), data,
                            UInt64(Self.associatedByteCount), nonce, key.pointer) == 0
                }
            }
        }
        return opened ? payload : nil
    }

    private func writeHeader(at frame: UnsafeMutablePointer<UInt8>, kind: FrameKind, recipient: NodeID) {
        frame[0] = Self.version
        frame[1] = kind.rawValue
        Self.put(clusterTag, at: frame + 2)
        let hint = UInt32(truncatingIfNeeded: recipient.low).bigEndian
        UnsafeMutableRawPointer(frame + 10).storeBytes(of: hint, as: UInt32.self)
        Self.put(me.high, at: frame + 14)
        Self.put(me.low, at: frame + 22)
        Self.put(bootEpoch, at: frame + 30)
        Self.put(counter, at: frame + 38)
    }

    /// Header, recipient id, cluster id in one run of bytes on the stack.
    private func withAssociatedData(
        header: UnsafePointer<UInt8>, recipient: NodeID, _ body: (UnsafePointer<UInt8>) -> Void
    ) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.associatedByteCount) { buffer in
            // The capacity is a positive constant, hence a base address.
            let start = buffer.baseAddress!
            start.update(from: header, count: Self.headerByteCount)
            Self.put(recipient.high, at: start + Self.headerByteCount)
            Self.put(recipient.low, at: start + Self.headerByteCount + 8)
            (start + Self.headerByteCount + NodeID.byteCount).update(from: clusterID, count: ClusterKey.idByteCount)
            body(start)
        }
    }

    private static func put(_ word: UInt64, at target: UnsafeMutablePointer<UInt8>) {
        UnsafeMutableRawPointer(target).storeBytes(of: word.bigEndian, as: UInt64.self)
    }

    private static func word(_ frame: [UInt8], at offset: Int) -> UInt64 {
        frame.withUnsafeBytes { UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
    }

    private static func hint(of node: NodeID) -> some Sequence<UInt8> {
        (0..<4).lazy.map { UInt8(truncatingIfNeeded: node.low >> (24 - 8 * UInt64($0))) }
    }
}
