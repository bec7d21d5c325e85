import Primitives
import Raft

/// A disk in memory that forgets as real ones may: what was not synced is kept, lost or torn, sector by sector.
struct WALTestDisk: DiskReader {
    struct Missing: Error {}

    static let sectorBytes = 512
    /// What a read sees.
    private(set) var files: [String: [UInt8]] = [:]
    /// What has been synced, for sure.
    private(set) var durable: [String: [UInt8]] = [:]
    /// Names that a directory sync has made durable.
    private(set) var durableNames: Set<String> = []
    /// Removed, but the removal is not durable yet: such a file may come back.
    private(set) var removed: [String: [UInt8]] = [:]
    private(set) var syncCount = 0

    func fileNames() throws -> [String] { files.keys.sorted() }

    func read(_ file: String) throws -> [UInt8] {
        guard let bytes = files[file] else { throw Missing() }
        return bytes
    }

    mutating func execute(_ operations: some Sequence<DiskOperation>) {
        for operation in operations { execute(operation) }
    }

    mutating func execute(_ operation: DiskOperation) {
        switch operation {
        case .write(let file, let offset, let bytes):
            var contents = files[file] ?? []
            if contents.count < offset + bytes.count {
                contents.append(contentsOf: repeatElement(0, count: offset + bytes.count - contents.count))
            }
            contents.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            files[file] = contents
        case .sync(let file):
            syncCount += 1
            durable[file] = files[file]
        case .truncate(let file, let length):
            files[file] = Array((files[file] ?? []).prefix(length))
        case .remove(let file):
            removed[file] = durableNames.contains(file) ? durable[file] : nil
            files[file] = nil
            durable[file] = nil
        case .rename(let file, let name):
            // Before the directory is synced a power cut may bring the old name back.
            if durableNames.contains(name) { removed[name] = durable[name] }
            if durableNames.contains(file) { removed[file] = durable[file] }
            durableNames.remove(name)
            files[name] = files.removeValue(forKey: file)
            durable[name] = durable.removeValue(forKey: file)
        case .syncDirectory:
            syncCount += 1
            durableNames = Set(files.keys)
            removed = [:]
        }
    }

    /// Power off: every sector that differs from its durable contents is kept, lost or torn at a byte, and so is the
    /// length; a name that was not made durable may be gone.
    mutating func cutPower(_ random: inout SeededRandom) {
        for file in files.keys.sorted() {
            if !durableNames.contains(file), random.chance(1, in: 2) {
                files[file] = nil
                durable[file] = nil
                continue
            }
            files[file] = Self.tear(files[file] ?? [], over: durable[file] ?? [], &random)
        }
        for file in removed.keys.sorted() where random.chance(1, in: 2) && files[file] == nil {
            files[file] = removed[file]
        }
        removed = [:]
        durable = files
        durableNames = Set(files.keys)
    }

    private static func tear(_ new: [UInt8], over old: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        guard new != old else { return new }
        let mode = random.below(4)
        if mode == 0 { return old }
        if mode == 1 { return new }
        let between = min(old.count, new.count) + random.below(abs(new.count - old.count) + 1)
        let length = random.chance(1, in: 2) ? new.count : between
        var result = Array(old.prefix(length))
        result.append(contentsOf: repeatElement(0, count: length - result.count))
        for start in stride(from: 0, to: length, by: sectorBytes) {
            let end = min(start + sectorBytes, length, new.count)
            guard start < end, random.chance(1, in: 2) else { continue }
            let torn = random.chance(1, in: 4) ? start + random.below(end - start + 1) : end
            result.replaceSubrange(start..<torn, with: new[start..<torn])
        }
        return result
    }

    // MARK: Rot

    mutating func flip(bit: Int, of file: String) { change(file) { $0[bit / 8] ^= 1 << UInt8(bit % 8) } }
    mutating func cut(_ file: String, to length: Int) { change(file) { $0 = Array($0.prefix(length)) } }
    mutating func overwrite(_ file: String, at offset: Int, with bytes: [UInt8]) {
        change(file) { $0.replaceSubrange(offset..<offset + bytes.count, with: bytes) }
    }
    mutating func put(_ file: String, _ bytes: [UInt8]) {
        files[file] = bytes
        change(file) { _ in }
    }
    mutating func lose(_ file: String) {
        files[file] = nil
        durable[file] = nil
        durableNames.remove(file)
    }

    private mutating func change(_ file: String, _ body: (inout [UInt8]) -> Void) {
        var bytes = files[file] ?? []
        body(&bytes)
        files[file] = bytes
        durable[file] = bytes
        durableNames.insert(file)
    }
}

/// A replica's disk with the log on it, and short ways to write to it.
struct WALBench {
    static let cluster = [UInt8](repeating: 0xC1, count: 16)
    static let replica = ReplicaID(7)
    static let segment = "wal-00000001.log"

    let geometry: WALGeometry
    var disk = WALTestDisk()
    var log: WriteAheadLog
    var sequence: UInt64 = 0

    init(geometry: WALGeometry = .small) {
        self.geometry = geometry
        let (log, operations) = WriteAheadLog.create(
            cluster: Self.cluster, replica: Self.replica, geometry: geometry)
        self.log = log
        disk.execute(operations)
    }

    func recover() throws -> WALRecovery { try Self.recover(disk, geometry) }

    static func recover(_ disk: WALTestDisk, _ geometry: WALGeometry = .small) throws -> WALRecovery {
        try WriteAheadLog.recover(from: disk, cluster: cluster, replica: replica, geometry: geometry)
    }

    static func entry(_ index: UInt64, term: UInt64, bytes: Int = 10) -> Entry {
        Entry(
            index: LogIndex(index), term: Term(term), time: LogTime(milliseconds: Int64(index) * 3), kind: .command,
            payload: (0..<bytes).map { UInt8(truncatingIfNeeded: UInt64($0) &* 31 &+ index &* 7 &+ term) })
    }

    mutating func write(
        hardState: HardState? = nil, snapshot: SnapshotStep? = nil, truncateAfter: UInt64? = nil,
        _ entries: [Entry] = [], settlesDoubt: Bool = false
    ) -> DurableWrite {
        sequence += 1
        return DurableWrite(
            sequence: sequence, hardState: hardState, snapshot: snapshot,
            truncateAfter: truncateAfter.map { LogIndex($0) }, entries: entries, settlesDoubt: settlesDoubt)
    }

    /// Writes and waits until it is durable.
    mutating func commit(
        hardState: HardState? = nil, snapshot: SnapshotStep? = nil, truncateAfter: UInt64? = nil,
        _ entries: [Entry] = [], settlesDoubt: Bool = false
    ) {
        let next = write(
            hardState: hardState, snapshot: snapshot, truncateAfter: truncateAfter, entries, settlesDoubt: settlesDoubt)
        disk.execute(log.plan([next]))
        log.checkInvariants()
    }

    static func snapshot(_ index: UInt64, term: UInt64, bytes: Int = 100) -> Snapshot {
        let metadata = SnapshotMetadata(
            position: LogPosition(index: LogIndex(index), term: Term(term)),
            time: LogTime(milliseconds: Int64(index) * 3), configuration: Configuration(voters: [replica]))
        return Snapshot(metadata, bytes: (0..<bytes).map { UInt8(truncatingIfNeeded: $0 + Int(index)) })
    }

    /// The steps that write a snapshot.
    static func steps(_ snapshot: Snapshot, voidsLog: Bool = false, slice: Int = 40) -> [SnapshotStep] {
        stride(from: 0, to: snapshot.bytes.count, by: slice).map {
            .slice(offset: $0, Array(snapshot.bytes[$0..<min($0 + slice, snapshot.bytes.count)]))
        } + [.publish(snapshot.metadata, snapshot.id, voidsLog: voidsLog)]
    }

    /// Writes the snapshot, and what it makes superfluous goes.
    mutating func save(_ snapshot: Snapshot, voidsLog: Bool = false) {
        for step in Self.steps(snapshot, voidsLog: voidsLog) { commit(snapshot: step) }
    }
}
