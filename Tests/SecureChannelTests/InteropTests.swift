import Foundation
import Primitives
import SecureChannel
import Testing

/// Talks with an implementation that shares no line with ours: the PyPI package `noiseprotocol`.
@Suite("Interoperation", .serialized, .timeLimit(.minutes(4)))
struct InteropTests {
    private static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    private static let environment = repository.appendingPathComponent(".build/noise-python")
    private static let secret = [UInt8](repeating: 0x42, count: 32)
    private static let prologue = Array("a prologue of both".utf8)

    @Test("IKpsk2 with noiseprotocol, in either role: handshake, hash and sealed messages", arguments: [true, false])
    func noiseprotocol(weBegin: Bool) throws {
        let python = try requirePython()
        var entropy = SodiumEntropy()
        let ours = ExchangeKeyPair.generate(from: &entropy)
        let theirs = ExchangeKeyPair(secret: SecretBytes(copying: Self.secret))
        let psk = [UInt8](repeating: 0x17, count: 32)
        let peer = try Peer(
            python, role: weBegin ? "responder" : "initiator", prologue: Self.prologue, psk: psk, secret: Self.secret,
            remote: ours.publicKey)
        defer { peer.stop() }
        var side = NoiseHandshake(
            .ikpsk2, as: weBegin ? .initiator : .responder, prologue: Self.prologue, local: ours,
            remoteStatic: weBegin ? theirs.publicKey : nil, ephemeral: ExchangeKeyPair.generate(from: &entropy))
        side.preSharedKeys = [SecretBytes(copying: psk)]
        if weBegin {
            try peer.say(side.write(Array("swift 1".utf8)))
            #expect(try side.read(peer.hear()) == Array("python 1".utf8))
        } else {
            #expect(try side.read(peer.hear()) == Array("python 1".utf8))
            #expect(side.remoteStatic == theirs.publicKey)
            try peer.say(side.write(Array("swift 1".utf8)))
        }
        #expect(try peer.hear() == side.handshakeHash)
        let keys = side.split()
        let sealed = try peer.hear()
        #expect(sealed == TransportCipher.seal(Array("sealed by python".utf8), key: keys.receive, counter: 0))
        try peer.say(TransportCipher.seal(Array("sealed by swift".utf8), key: keys.send, counter: 0))
        #expect(try peer.hear() == Array("sealed by swift".utf8))
    }

    /// A private environment, made once. Where it cannot be had (no network), that is no fault of the program.
    private func requirePython() throws -> URL {
        let python = Self.environment.appendingPathComponent("bin/python")
        if Self.run(python.path, ["-c", "import noise"]) { return python }
        let requirements = Self.repository.appendingPathComponent("scripts/noise_test.requirements.txt").path
        let isMade =
            Self.run("/usr/bin/env", ["python3", "-m", "venv", "--clear", Self.environment.path])
            && Self.run(python.path, ["-m", "pip", "install", "--quiet", "-r", requirements])
        if !isMade {
            let message = "SKIPPED: noiseprotocol cannot be installed; to try it, allow pip to reach a package index."
            FileHandle.standardError.write(Data("\n*** \(message)\n\n".utf8))
            try Test.cancel("\(message)")
        }
        return python
    }

    private static func run(_ program: String, _ arguments: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    /// scripts/noise_test.py, line by line.
    private final class Peer {
        private let process = Process()
        private let input = Pipe()
        private let output = Pipe()
        private var received = Data()

        init(
            _ python: URL, role: String, prologue: [UInt8], psk: [UInt8], secret: [UInt8], remote: [UInt8]
        ) throws {
            process.executableURL = python
            process.arguments = [
                InteropTests.repository.appendingPathComponent("scripts/noise_test.py").path, role,
                NoisePattern.ikpsk2.protocolName, Hex.encode(prologue), Hex.encode(psk), Hex.encode(secret),
                Hex.encode(remote),
            ]
            process.standardInput = input
            process.standardOutput = output
            try process.run()
        }

        func say(_ message: [UInt8]) throws {
            try input.fileHandleForWriting.write(contentsOf: Data((Hex.encode(message) + "\n").utf8))
        }

        func hear() throws -> [UInt8] {
            while !received.contains(0x0A) {
                let data = output.fileHandleForReading.availableData
                try #require(!data.isEmpty, "the other side is gone")
                received += data
            }
            let end = try #require(received.firstIndex(of: 0x0A))
            let line = String(decoding: received[received.startIndex..<end], as: UTF8.self)
            received = Data(received[(end + 1)...])
            return unhex(line)
        }

        func stop() {
            if process.isRunning { process.terminate() }
            process.waitUntilExit()
        }
    }
}
