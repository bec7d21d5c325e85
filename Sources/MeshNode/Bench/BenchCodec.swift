import ArgumentParser
import Csodium
import Primitives
import SecureChannel

/// `meshnode bench codec`: sealing and opening a frame, beside libsodium doing nothing else.
///
/// Both run in blocks by turns in one process, so that whatever else the machine does meets both.
struct BenchCodec: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "codec", abstract: "Seal and open a frame, beside raw libsodium.")

    @Option(help: "Bytes of a whole frame, at most 1200.")
    var bytes = 1200

    @Option(help: "Frames of each kind.")
    var frames = 400_000

    func validate() throws {
        guard Session.overhead...Session.frameByteCountMax ~= bytes else {
            throw ValidationError("--bytes takes \(Session.overhead) to \(Session.frameByteCountMax)")
        }
        guard 1000...100_000_000 ~= frames else { throw ValidationError("--frames takes 1,000 to 100,000,000") }
    }

    private static let blockFrames = 1000

    func run() throws {
        var raw = RawCodec(bytes: bytes)
        var sessions = SessionCodec(bytes: bytes)
        var (rawSpans, sessionSpans): ([Int64], [Int64]) = ([], [])
        let clock = ContinuousClock()
        for _ in 0..<frames / Self.blockFrames {
            var begun = clock.now
            for _ in 0..<Self.blockFrames { raw.sealAndOpen() }
            rawSpans.append((clock.now - begun).inNanoseconds)
            begun = clock.now
            for _ in 0..<Self.blockFrames { sessions.sealAndOpen() }
            sessionSpans.append((clock.now - begun).inNanoseconds)
        }
        let (plain, ours) = (Self.median(rawSpans), Self.median(sessionSpans))
        try JSONLine.write(
            Line(
                bench: "codec", frameBytes: bytes, frames: frames, rawNanoseconds: plain, nanoseconds: ours,
                shareOfRaw: plain / ours))
    }

    /// Nanoseconds a frame.
    private static func median(_ spans: [Int64]) -> Double {
        Double(spans.sorted()[spans.count / 2]) / Double(blockFrames)
    }

    private struct Line: Encodable {
        let bench: String
        let frameBytes: Int
        let frames: Int
        let rawNanoseconds: Double
        let nanoseconds: Double
        let shareOfRaw: Double
    }
}

/// libsodium alone: the same number of bytes under the same cipher, in buffers that are there.
private struct RawCodec {
    private let key = [UInt8](repeating: 7, count: 32)
    private var nonce = [UInt8](repeating: 0, count: 12)
    private var plaintext: [UInt8]
    private var sealed: [UInt8]
    private let header = [UInt8](repeating: 1, count: Session.headerByteCount)

    init(bytes: Int) {
        plaintext = [UInt8](repeating: 3, count: bytes - Session.headerByteCount - 16)
        sealed = [UInt8](repeating: 0, count: bytes - Session.headerByteCount)
    }

    mutating func sealAndOpen() {
        sodium_increment(&nonce, nonce.count)
        crypto_aead_chacha20poly1305_ietf_encrypt(
            &sealed, nil, plaintext, UInt64(plaintext.count), header, UInt64(header.count), nil, nonce, key)
        let status = crypto_aead_chacha20poly1305_ietf_decrypt(
            &plaintext, nil, nil, sealed, UInt64(sealed.count), header, UInt64(header.count), nonce, key)
        precondition(status == 0, "libsodium did not open what it sealed")
    }
}

/// Two ends of a session, with window and header.
private struct SessionCodec {
    private var sender: Session
    private var receiver: Session
    private var payload: [UInt8]
    private var frame: [UInt8]
    private var opened: [UInt8]

    init(bytes: Int) {
        var entropy = SodiumEntropy()
        let keys = (SecretBytes(random: 32, from: &entropy), SecretBytes(random: 32, from: &entropy))
        sender = Session(localIndex: 1, remoteIndex: 2, isInitiator: true, madeAt: .zero, keys: keys)
        receiver = Session(localIndex: 2, remoteIndex: 1, isInitiator: false, madeAt: .zero, keys: (keys.1, keys.0))
        payload = [UInt8](repeating: 3, count: bytes - Session.overhead)
        frame = [UInt8](repeating: 0, count: bytes)
        opened = [UInt8](repeating: 0, count: payload.count + 1)
    }

    mutating func sealAndOpen() {
        frame.withUnsafeMutableBufferPointer { frame in
            // A frame has at least its overhead, and what is opened its kind: both have base addresses.
            payload.withUnsafeBufferPointer { sender.seal(kind: 1, payload: $0, into: frame.baseAddress!) }
            opened.withUnsafeMutableBufferPointer { opened in
                let isOpened = (try? receiver.open(UnsafeBufferPointer(frame), into: opened.baseAddress!)) != nil
                precondition(isOpened, "a frame did not open")
            }
        }
    }
}
