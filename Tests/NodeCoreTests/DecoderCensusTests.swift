import Foundation
import Testing

/// Counts the ways in for bytes from a peer or from the disk, in the sources themselves: one that nobody attacks fails here.
@Suite("Decoders are all attacked")
struct DecoderCensusTests {
    /// How many of a file are attacked where else: the log's, in a disk's files as a whole; the channel's, by somebody who
    /// has recorded everything.
    private static let elsewhere: [String: (count: Int, by: String)] = [
        "Raft/HardStateSlots.swift": (2, "RaftTests/WALDamageTests.swift"),
        "Raft/WALSegment.swift": (1, "RaftTests/WALDamageTests.swift"),
        "Raft/WALRecord.swift": (1, "RaftTests/WALDamageTests.swift"),
        "Raft/SnapshotFile.swift": (1, "RaftTests/WALDamageTests.swift"),
        "SecureChannel/HandshakeFrame.swift": (1, "SimulatorTests/HostileFrameTests.swift"),
        "SecureChannel/JoinTicket.swift": (1, "NodeCoreTests/DecoderFuzzTests.swift"),
        // What the key files above are read with.
        "SecureChannel/KeyFile.swift": (2, "NodeCoreTests/DecoderTable.swift"),
    ]

    private static let modules = ["Authority", "Gossip", "NodeCore", "Primitives", "Raft", "Routing", "SecureChannel"]

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// A line that takes whole bytes and makes something of them. Those that go on with a reader are parts of one.
    private static func isDecoder(_ line: Substring) -> Bool {
        let takesBytes = !line.contains("(_ text: String)") && (line.contains("[UInt8]") || line.hasSuffix("("))
        return line.contains("init(decoding") && takesBytes || line.contains("init(keyFile: ")
            || line.contains("init(notice: ") || line.contains("static func decode") && takesBytes
    }

    @Test("every decoder of the cores is in the table, or in the suite that is named for it")
    func census() throws {
        var attacked: [String: Int] = Self.elsewhere.mapValues(\.count)
        for decoder in FuzzedDecoder.all { attacked[decoder.file, default: 0] += 1 }
        for file in FuzzedDecoder.channel.map(\.file) { attacked[file] = nil }
        var found: [String: Int] = [:]
        for module in Self.modules {
            let folder = Self.root.appendingPathComponent("Sources/\(module)")
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.hasSuffix(".swift")
            {
                let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
                let count = text.split(separator: "\n").count(where: Self.isDecoder)
                if count > 0 { found["\(module)/\(name)"] = count }
            }
        }
        for file in Set(found.keys).union(attacked.keys).sorted() {
            #expect(found[file] ?? 0 == attacked[file] ?? 0, "decoders in \(file), and those that are attacked")
        }
    }

    @Test("the suites that are named exist")
    func suites() {
        for (file, entry) in Self.elsewhere {
            let path = Self.root.appendingPathComponent("Tests/\(entry.by)").path
            #expect(FileManager.default.fileExists(atPath: path), "\(entry.by), for \(file)")
        }
    }
}
