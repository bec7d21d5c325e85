import Primitives
import Raft

/// What is wrong with a disk while it works. What it does to files that lie still is at `SimulatedDisk+Damage`.
package struct DiskTrouble: Hashable, Sendable {
    package enum SyncFailure: Hashable, Sendable {
        /// Every sync fails.
        case always
        /// The next sync fails, drops what it should have written, and the ones after it succeed: the case of Rebello
        /// et al., "Can Applications Recover from fsync Failures?", ATC'20.
        case once
    }

    /// Files do not grow any more; what they have can be overwritten.
    package var isFull = false
    package var syncFailure: SyncFailure?
    /// Syncs report success and make nothing durable.
    package var isLying = false
    /// The next write of a record goes elsewhere in its file.
    package var misdirectsNext = false
    /// A power cut keeps any of the unsynced changes, whatever came before them.
    package var reordersWrites = false
    /// Where each file cannot be read any more.
    package var unreadable: [String: Range<Int>] = [:]

    package init() {}
}

extension SimulatedDisk {
    /// From now on a power cut keeps any of the unsynced changes, or a prefix again.
    package mutating func setReordering(_ isOn: Bool) {
        var trouble = trouble ?? DiskTrouble()
        trouble.reordersWrites = isOn
        self.trouble = trouble
    }

    enum Failure: Error, Hashable, Sendable {
        /// The log takes no entries for now; what has its space can still be written.
        case full
        /// Final for the node that meets it.
        case broken(String)
    }

    /// Why this operation fails, or nil.
    mutating func failure(of operation: DiskOperation) -> Failure? {
        guard let trouble else { return nil }
        switch operation {
        case .write(let name, let offset, let bytes):
            let length = place(of: name).map { files[$0].content.count } ?? 0
            guard trouble.isFull, offset + bytes.count > length else { return nil }
            faults.note(.fullDisk)
            return .full
        case .sync(let name):
            guard let failure = trouble.syncFailure else { return nil }
            faults.note(failure == .once ? .syncErrorOnce : .syncError)
            if failure == .once { self.trouble?.syncFailure = nil }
            dropPending(of: name)
            return .broken("input/output error")
        case .syncDirectory: return trouble.syncFailure == .always ? .broken("input/output error") : nil
        case .truncate, .remove, .rename: return nil
        }
    }

    /// The kernel gave up on these pages: reads see the disk again. What a lying disk took before is not among them.
    private mutating func dropPending(of name: String) {
        guard trouble?.isLying != true, let place = place(of: name) else { return }
        for pending in files[place].pending.reversed() { Self.revert(pending, in: &files[place].content) }
        files[place].pending = []
    }

    /// The write as the disk does it: elsewhere, if it has been told to. It stays within the file, as a drive's wrong
    /// sector would; the hard state is left alone, since each slot is a file of its own.
    mutating func misdirect(_ operation: DiskOperation, random: inout SeededRandom) -> DiskOperation {
        guard trouble?.misdirectsNext == true, case .write(let name, let offset, let bytes) = operation,
            !WALLayout.places(in: name, bytes: bytes).isEmpty || bytes.count < Self.sectorBytes * 4,
            let place = place(of: name), files[place].content.count > bytes.count + Self.sectorBytes
        else { return operation }
        trouble?.misdirectsNext = false
        isHarmed = true
        faults.note(.misdirectedWrite)
        let elsewhere = random.below((files[place].content.count - bytes.count) / Self.sectorBytes) * Self.sectorBytes
        return .write(file: name, offset: elsewhere == offset ? offset + Self.sectorBytes : elsewhere, bytes: bytes)
    }
}
