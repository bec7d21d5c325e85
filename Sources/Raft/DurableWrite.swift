import Primitives

/// What consensus wants on disk before it goes on. Consensus numbers its writes from 1; once `handlePersisted(n)` is
/// called, every write up to and including `n` is durable, and the messages that depended on them may leave.
///
/// Order inside one write: hard state, snapshot, truncation, entries, settled doubt.
package struct DurableWrite: Hashable, Sendable {
    package let sequence: UInt64
    /// The new term and vote, if they changed.
    package let hardState: HardState?
    /// A step towards the newest snapshot on disk.
    package let snapshot: SnapshotStep?
    /// Drop every entry after this index before appending (a conflict with the leader, Raft §5.3); nil keeps all.
    package let truncateAfter: LogIndex?
    /// Consecutive entries that follow the log's (possibly truncated) end.
    package let entries: [Entry]
    /// What recovery found missing is missing no longer, or is known to have been committed by nobody.
    package let settlesDoubt: Bool

    package init(
        sequence: UInt64, hardState: HardState? = nil, snapshot: SnapshotStep? = nil, truncateAfter: LogIndex? = nil,
        entries: [Entry] = [], settlesDoubt: Bool = false
    ) {
        self.sequence = sequence
        self.hardState = hardState
        self.truncateAfter = truncateAfter
        self.entries = entries
        self.snapshot = snapshot
        self.settlesDoubt = settlesDoubt
    }
}

/// A step of a durable write, run in order by whoever owns the disk: real files on a worker thread, or the simulated
/// disk. File names are relative to the data directory and contain no slash.
package enum DiskOperation: Hashable, Sendable {
    /// Writes at a byte offset, creating the file or extending it with zeros as needed.
    case write(file: String, offset: Int, bytes: [UInt8])
    /// fdatasync of the file's contents and length. An error is final: the node halts (a later success proves nothing,
    /// Rebello et al., ATC'20).
    case sync(file: String)
    case truncate(file: String, length: Int)
    /// Gives the file another name at once; a file that had it is gone. Survives with the next `syncDirectory`.
    case rename(file: String, to: String)
    case remove(file: String)
    /// fsync of the directory, so that created and removed names survive.
    case syncDirectory
}

/// Reads a data directory during recovery, before anything is written.
package protocol DiskReader {
    /// Names of the files present, in any order.
    func fileNames() throws -> [String]
    /// The whole contents. Throws if the file is missing or may not be read. A sector that the device cannot read any
    /// more comes as `DiskOperation.unreadableByte`s: recovery judges it like any other damage.
    func read(_ file: String) throws -> [UInt8]
}

extension DiskOperation {
    /// What stands for the bytes of an unreadable sector. No checksum accepts a sector of them, and they are not the
    /// zeros of an unused one.
    package static let unreadableByte: UInt8 = 0xEE
}
