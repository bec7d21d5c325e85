import Primitives
import Raft

/// A disk that keeps promises no better than a real one: what was not synced when the power went may be there, may be
/// missing, or may be there in part.
///
/// ```
///   write ─▶ pending (seen by reads) ── sync ─▶ durable
///                     └── power cut ─▶ any prefix of the pending changes, the last one torn at a sector
/// ```
/// Kinder than real disks unless told otherwise: pending changes of one file reach the platter in order, nothing
/// rots, no write goes astray and no sync lies. Those are faults of their own (`DiskTrouble`,
/// `SimulatedDisk+Damage`).
package struct SimulatedDisk: Sendable {
    package static let sectorBytes = 512

    enum Change: Hashable, Sendable {
        case write(offset: Int, bytes: [UInt8])
        case truncate(length: Int)
    }

    /// A change that is not durable, and what it replaced: enough to take it back.
    struct Pending: Sendable {
        let change: Change
        let lengthBefore: Int
        /// The bytes that a write overwrote, or that a truncation cut off.
        let replaced: [UInt8]
    }

    struct File: Sendable {
        var name: String
        var content: [UInt8] = []
        var pending: [Pending] = []
        var isNameDurable = false
        var isRemoved = false
        /// Its durable name, if the present one is not.
        var oldName: String?

        mutating func nameIsDurable() {
            isNameDurable = true
            oldName = nil
        }
    }

    /// How long one sync takes.
    var syncLatency: ClosedRange<Duration> = .microseconds(80)...(.microseconds(400))
    /// Nothing completes any more; the node does not notice by itself.
    var isHung = false
    /// What else is wrong with it; nil for a disk that keeps what it promises.
    var trouble: DiskTrouble?
    /// Lost or changed something that a disk must keep. A node may then refuse to start, and is right.
    var isHarmed = false
    /// Forgot what was synced, and holds something older instead.
    var isForgetful = false
    package internal(set) var faults = FaultCounts()
    /// Sorted by name; a handful.
    var files: [File] = []

    package init() {}

    /// Applies one operation to what reads see. A sync takes effect with `finishSync`, later.
    package mutating func begin(_ operation: DiskOperation) {
        switch operation {
        case .write(let name, let offset, let bytes): change(name, .write(offset: offset, bytes: bytes))
        case .truncate(let name, let length): change(name, .truncate(length: length))
        case .remove(let name): place(of: name).map { files[$0].isRemoved = true }
        case .rename(let name, let newName): rename(name, to: newName)
        case .sync, .syncDirectory: break
        }
    }

    /// The sync completed: what was pending is durable.
    package mutating func finishSync(_ operation: DiskOperation) {
        if trouble?.isLying == true { return faults.note(.lostSync) }
        switch operation {
        case .sync(let name): place(of: name).map { files[$0].pending.removeAll(keepingCapacity: true) }
        case .syncDirectory:
            files.removeAll(where: \.isRemoved)
            for place in files.indices { files[place].nameIsDurable() }
        case .write, .truncate, .remove, .rename: break
        }
    }

    package static func isSync(_ operation: DiskOperation) -> Bool {
        switch operation {
        case .sync, .syncDirectory: true
        case .write, .truncate, .remove, .rename: false
        }
    }

    /// The power goes: keeps a random prefix of each file's pending changes, the last of them torn.
    package mutating func cutPower(random: inout SeededRandom) {
        isHung = false
        let before = files
        files = []
        for var file in before {
            if !file.isNameDurable, random.chance(1, in: 2) {
                faults.note(.lostWrite)
                guard let oldName = file.oldName else { continue }
                file.name = oldName
            }
            for pending in file.pending.reversed() { Self.revert(pending, in: &file.content) }
            for change in surviving(file.pending, random: &random) { _ = Self.apply(change, to: &file.content) }
            files.append(File(name: file.name, content: file.content, isNameDurable: true))
        }
        if trouble?.isLying == true {
            isHarmed = true
            isForgetful = true
        }
    }

    /// What is left if the power goes now and takes everything that was not synced.
    package func afterWorstPowerCut() -> SimulatedDisk {
        var worst = SimulatedDisk()
        for var file in files {
            if !file.isNameDurable {
                guard let oldName = file.oldName else { continue }
                file.name = oldName
            }
            for pending in file.pending.reversed() { Self.revert(pending, in: &file.content) }
            let place = worst.files.firstIndex { file.name < $0.name } ?? worst.files.endIndex
            worst.files.insert(File(name: file.name, content: file.content, isNameDurable: true), at: place)
        }
        return worst
    }

    /// What of a file's unsynced changes is there after a power cut.
    private mutating func surviving(_ pending: [Pending], random: inout SeededRandom) -> [Change] {
        if trouble?.reordersWrites == true { return anySubset(of: pending, random: &random) }
        let kept = random.below(pending.count + 1)
        if kept < pending.count { faults.note(.lostWrite, times: pending.count - kept) }
        var changes = pending.prefix(kept).map(\.change)
        if let last = changes.last, random.chance(1, in: 2) {
            changes[kept - 1] = Self.tear(last, random: &random)
            if changes[kept - 1] != last { faults.note(.tornWrite) }
        }
        return changes
    }

    /// Each change survives or not, whatever came before it, as on a disk that sorts its queue.
    private mutating func anySubset(of pending: [Pending], random: inout SeededRandom) -> [Change] {
        var changes: [Change] = []
        var hasGap = false
        for change in pending.map(\.change) {
            if random.chance(1, in: 2) {
                if hasGap { faults.note(.reorderedWrite) }
                changes.append(change)
            } else {
                hasGap = true
                faults.note(.lostWrite)
            }
        }
        return changes
    }

    /// The process died but the machine did not: the system still writes what it was given.
    package mutating func killProcess() {
        isHung = false
        files.removeAll(where: \.isRemoved)
        // A lying disk has it from the system, and loses it with the power all the same.
        guard trouble?.isLying != true else { return }
        for place in files.indices {
            files[place].pending = []
            files[place].nameIsDurable()
        }
    }

    /// The newest file has the greatest name, and is the one that is written.
    func place(of name: String) -> Int? { files.lastIndex { $0.name == name } }

    private mutating func rename(_ name: String, to newName: String) {
        guard let from = place(of: name) else { return }
        if let replaced = place(of: newName) { files[replaced].isRemoved = true }
        var file = files.remove(at: from)
        if file.isNameDurable { file.oldName = file.name }
        file.name = newName
        file.isNameDurable = false
        files.insert(file, at: files.firstIndex { newName < $0.name } ?? files.endIndex)
    }

    private mutating func change(_ name: String, _ change: Change) {
        var place = place(of: name) ?? files.endIndex
        if place == files.endIndex {
            place = files.firstIndex { name < $0.name } ?? files.endIndex
            files.insert(File(name: name), at: place)
        }
        files[place].isRemoved = false
        let pending = Self.apply(change, to: &files[place].content)
        files[place].pending.append(pending)
    }

    private static func apply(_ change: Change, to content: inout [UInt8]) -> Pending {
        let length = content.count
        switch change {
        case .write(let offset, let bytes):
            let replaced = Array(content[min(offset, length)..<min(offset + bytes.count, length)])
            if length < offset + bytes.count {
                content.append(contentsOf: [UInt8](repeating: 0, count: offset + bytes.count - length))
            }
            content.withUnsafeMutableBytes { $0[offset..<offset + bytes.count].copyBytes(from: bytes) }
            return Pending(change: change, lengthBefore: length, replaced: replaced)
        case .truncate(let newLength):
            let replaced = Array(content[min(newLength, length)...])
            if length > newLength { content.removeLast(length - newLength) }
            return Pending(change: change, lengthBefore: length, replaced: replaced)
        }
    }

    static func revert(_ pending: Pending, in content: inout [UInt8]) {
        switch pending.change {
        case .write(let offset, _):
            content.removeLast(content.count - pending.lengthBefore)
            if !pending.replaced.isEmpty {
                content.replaceSubrange(offset..<offset + pending.replaced.count, with: pending.replaced)
            }
        case .truncate: content.append(contentsOf: pending.replaced)
        }
    }

    /// Cuts a write at a sector boundary; a truncation happens or not.
    private static func tear(_ change: Change, random: inout SeededRandom) -> Change {
        guard case .write(let offset, let bytes) = change else { return change }
        let firstBoundary = sectorBytes - offset % sectorBytes
        var cuts = [0]
        cuts += stride(from: firstBoundary, to: bytes.count, by: sectorBytes)
        let cut = cuts[random.below(cuts.count)]
        return .write(offset: offset, bytes: Array(bytes.prefix(cut)))
    }
}

extension SimulatedDisk: DiskReader {
    package struct MissingFile: Error { let name: String }

    package func fileNames() throws -> [String] {
        files.filter { !$0.isRemoved }.map(\.name)
    }

    package func read(_ file: String) throws -> [UInt8] {
        guard let place = place(of: file), !files[place].isRemoved else { throw MissingFile(name: file) }
        var content = files[place].content
        if let range = trouble?.unreadable[file]?.clamped(to: content.indices) {
            content.replaceSubrange(range, with: repeatElement(DiskOperation.unreadableByte, count: range.count))
        }
        return content
    }
}
