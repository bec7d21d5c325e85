import MeshNode
import Primitives
import Raft
import Testing

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

@Suite("Durable directory: the log on real files")
struct DurableDirectoryTests {
    private static let cluster = [UInt8](repeating: 3, count: 16)

    /// A fresh directory that is removed afterwards.
    private func withDirectory(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/meshnode-durable-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap { mkdtemp($0) } }
        let path = String(cString: try #require(made))
        defer {
            if let names = try? DurableDirectory(path: path).fileNames() {
                for name in names + ["lock"] { unlink("\(path)/\(name)") }
            }
            rmdir(path)
        }
        try body(path)
    }

    private func entry(_ index: UInt64) -> Entry {
        Entry(index: LogIndex(index), term: Term(1), time: .zero, kind: .command, payload: [1, 2, UInt8(index % 256)])
    }

    @Test("a log written to real files is recovered from them")
    func roundTrip() throws {
        try withDirectory { path in
            do {
                let directory = try DurableDirectory(path: path)
                var (log, operations) = WriteAheadLog.create(
                    cluster: Self.cluster, replica: ReplicaID(5), geometry: .small)
                try directory.execute(operations)
                for index in 1...UInt64(600) {
                    let write = DurableWrite(
                        sequence: index, hardState: HardState(term: Term(1)), truncateAfter: nil,
                        entries: [entry(index)])
                    try directory.execute(log.plan([write]))
                }
            }
            let directory = try DurableDirectory(path: path)
            let found = try WriteAheadLog.recover(from: directory, cluster: Self.cluster, replica: ReplicaID(5))
            #expect(found.verdict == .clean && found.entries.count == 600)
            try directory.execute(found.repairs)
            #expect(try directory.fileNames().filter { $0.hasPrefix("wal-") }.count == 3)
        }
    }

    @Test("snapshots and compaction on real files: recovered with the log, and the old files are gone")
    func snapshots() throws {
        try withDirectory { path in
            let metadata = { (index: UInt64) in
                SnapshotMetadata(
                    position: LogPosition(index: LogIndex(index), term: Term(1)), time: .zero,
                    configuration: Configuration(voters: [ReplicaID(5)]))
            }
            do {
                let directory = try DurableDirectory(path: path)
                var (log, operations) = WriteAheadLog.create(
                    cluster: Self.cluster, replica: ReplicaID(5), geometry: .small)
                try directory.execute(operations)
                var sequence: UInt64 = 0
                func write(_ entries: [Entry], _ step: SnapshotStep? = nil) throws {
                    sequence += 1
                    let next = DurableWrite(
                        sequence: sequence, hardState: HardState(term: Term(1)), snapshot: step, entries: entries)
                    try directory.execute(log.plan([next]))
                }
                for index in 1...UInt64(900) {
                    try write([entry(index)])
                    guard index.isMultiple(of: 300) else { continue }
                    let snapshot = Snapshot(metadata(index), bytes: Array(repeating: UInt8(index / 300), count: 5000))
                    for start in stride(from: 0, to: 5000, by: 1000) {
                        try write([], .slice(offset: start, Array(snapshot.bytes[start..<start + 1000])))
                    }
                    try write([], .publish(snapshot.metadata, snapshot.id, voidsLog: false))
                }
            }
            let directory = try DurableDirectory(path: path)
            let found = try WriteAheadLog.recover(from: directory, cluster: Self.cluster, replica: ReplicaID(5))
            #expect(found.verdict == .clean && found.entries.last == entry(900))
            #expect(
                found.snapshot?.metadata == metadata(900) && found.snapshot?.bytes == Array(repeating: 3, count: 5000))
            #expect(found.report().contains { $0.hasPrefix("snapshot of 900@1, 5000 bytes") })
            let names = try directory.fileNames()
            #expect(
                names.filter { $0.hasPrefix("snapshot-") } == [
                    "snapshot-0000000000000600", "snapshot-0000000000000900",
                ])
            #expect(!names.contains("wal-00000001.log") && !names.contains("snapshot.new"))
        }
    }

    @Test("every operation does to a file what the simulated disk does")
    func operations() throws {
        try withDirectory { path in
            let directory = try DurableDirectory(path: path)
            try directory.execute([
                .write(file: "a", offset: 4, bytes: [9, 8]), .sync(file: "a"), .syncDirectory,
                .write(file: "b", offset: 0, bytes: [1]), .truncate(file: "a", length: 5), .remove(file: "b"),
                .remove(file: "never-there"),
            ])
            #expect(try directory.fileNames() == ["a"])
            #expect(try directory.read("a") == [0, 0, 0, 0, 9])
            #expect(throws: DiskError.self) { try directory.read("b") }
            try directory.execute([
                .write(file: "c", offset: 0, bytes: [7]), .rename(file: "a", to: "c"),
                .write(file: "c", offset: 0, bytes: [1]),
                .sync(file: "c"), .syncDirectory,
            ])
            #expect(try directory.fileNames() == ["c"] && directory.read("c") == [1, 0, 0, 0, 9])
            try directory.execute([.rename(file: "c", to: "a")])
            var status = stat()
            #expect(stat("\(path)/a", &status) == 0 && status.st_mode & 0o777 == 0o600)
        }
    }

    @Test("more files than descriptors are cached")
    func manyFiles() throws {
        try withDirectory { path in
            let directory = try DurableDirectory(path: path)
            for round in 0..<2 {
                for file in 0..<40 {
                    let operation = DiskOperation.write(file: "f\(file)", offset: round, bytes: [UInt8(file)])
                    try directory.execute([operation, .sync(file: "f\(file)")])
                }
            }
            for file in 0..<40 { #expect(try directory.read("f\(file)") == [UInt8(file), UInt8(file)]) }
        }
    }

    @Test("two owners never share a directory, and the error names it")
    func locked() throws {
        try withDirectory { path in
            let first = try DurableDirectory(path: path)
            let error = #expect(throws: DiskError.self) { _ = try DurableDirectory(path: path) }
            #expect(error == .inUse(path: path) && error?.description.contains(path) == true)
            _ = try first.fileNames()
        }
    }

    @Test("a directory that others may enter is refused, and left as it is")
    func looseMode() throws {
        try withDirectory { path in
            chmod(path, 0o755)
            let error = #expect(throws: DiskError.self) { _ = try DurableDirectory(path: path) }
            #expect(error?.description.contains("chmod 700") == true)
            #expect(access("\(path)/lock", F_OK) != 0)
            chmod(path, 0o700)
        }
    }

    @Test("after a failed operation nothing more is executed")
    func stickyFailure() throws {
        try withDirectory { path in
            let directory = try DurableDirectory(path: path)
            // A directory in the file's place: it cannot be opened for writing.
            mkdir("\(path)/a", 0o700)
            #expect(throws: DiskError.self) { try directory.execute([.write(file: "a", offset: 0, bytes: [1])]) }
            rmdir("\(path)/a")
            #expect(throws: DiskError.halted(path: path)) {
                try directory.execute([.write(file: "a", offset: 0, bytes: [1])])
            }
            #expect(directory.hasFailed)
            #expect(try directory.fileNames().isEmpty)
        }
    }
}
