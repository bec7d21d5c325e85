import Primitives

/// Term and vote on disk, twice. Slot A is written and synced, then slot B, and only then may the vote leave the node:
/// whichever single slot rots or is torn, the other one still holds what was promised (Raft figure 2, §5.2).
///
///     hard-state-a, hard-state-b: 4096 bytes each, written in full once, so that a later vote needs no new space and
///     a full disk cannot stop an election
///      0                  8           12    16         32        40           48     56      57     64    68
///     +------------------+-----------+-----+----------+---------+------------+------+-------+------+-----+
///     | magic "MNHARDST" | version   | 0   | cluster  | replica | generation | term | voted | vote | crc |
///     +------------------+-----------+-----+----------+---------+------------+------+-------+------+-----+
///
/// (`voted` is one byte, `vote` the eight after it.) The slot with the greater generation is the newer one.
struct HardStateSlots: Hashable, Sendable {
    static let files = ["hard-state-a", "hard-state-b"]
    static let fileBytes = 4096
    static let slotBytes = 69
    private static let magic: UInt64 = 0x5453_4452_4148_4E4D

    private(set) var state: HardState
    private(set) var generation: UInt64

    init(state: HardState = HardState(), generation: UInt64 = 1) {
        self.state = state
        self.generation = generation
    }

    /// Both files at full size, each durable before the next.
    func planCreation(owner: WALOwner) -> [DiskOperation] {
        var bytes = encode(owner: owner)
        bytes.append(contentsOf: repeatElement(0, count: Self.fileBytes - bytes.count))
        return Self.files.flatMap { [DiskOperation.write(file: $0, offset: 0, bytes: bytes), .sync(file: $0)] }
    }

    /// Makes `next` durable in A, then in B.
    mutating func plan(_ next: HardState, owner: WALOwner) -> [DiskOperation] {
        precondition(
            next.term >= state.term, "term \(next.term) is before \(state.term), which is already on disk")
        precondition(
            next.term > state.term || state.votedFor == nil || next.votedFor == state.votedFor,
            "the vote of term \(next.term) cannot change from \(state.votedFor.map { "\($0)" } ?? "nobody")")
        state = next
        generation += 1
        let bytes = encode(owner: owner)
        if planted(.slotsNotSynced) { return Self.files.map { .write(file: $0, offset: 0, bytes: bytes) } }
        if planted(.oneSlotOnly) {
            return [.write(file: Self.files[0], offset: 0, bytes: bytes), .sync(file: Self.files[0])]
        }
        return Self.files.flatMap { [DiskOperation.write(file: $0, offset: 0, bytes: bytes), .sync(file: $0)] }
    }

    // MARK: Recovery

    /// One slot as found.
    enum Slot: Hashable, Sendable {
        case good(HardStateSlots)
        case bad(String)
    }

    /// The newer of the good slots, and what makes both equal again; nil if neither is good.
    static func recover(_ slots: [Slot], owner: WALOwner) -> (slots: HardStateSlots, repairs: [DiskOperation])? {
        let good = slots.compactMap { slot in if case .good(let value) = slot { value } else { nil } }
        guard let newest = good.max(by: { $0.generation < $1.generation }) else { return nil }
        // A slot that is right may still lie in memory only, written by a process that died: sync the right ones
        // before overwriting a wrong one, or a power cut now could take both.
        var repairs: [DiskOperation] = []
        for (slot, file) in zip(slots, files) where slot == .good(newest) { repairs.append(.sync(file: file)) }
        var bytes = newest.encode(owner: owner)
        bytes.append(contentsOf: repeatElement(0, count: fileBytes - bytes.count))
        for (slot, file) in zip(slots, files) where slot != .good(newest) {
            repairs += [.write(file: file, offset: 0, bytes: bytes), .sync(file: file)]
        }
        return (newest, repairs)
    }

    // MARK: Coding

    private func encode(owner: WALOwner) -> [UInt8] {
        var writer = ByteWriter(capacity: Self.slotBytes)
        writer.write(Self.magic)
        writer.write(WALFormat.version)
        writer.write(UInt32(0))
        writer.writeRaw(owner.cluster)
        writer.write(owner.replica)
        writer.write(generation)
        writer.write(state.term.value)
        writer.write(state.votedFor != nil)
        writer.write(state.votedFor ?? ReplicaID(0))
        writer.write(WALChecksum.crc32c(writer.bytes))
        return writer.bytes
    }

    /// Whose slot it is, if it is good.
    static func owner(of file: [UInt8]) -> WALOwner? {
        guard file.count >= slotBytes else { return nil }
        var tail = ByteReader(file, in: slotBytes - 4..<slotBytes)
        guard (try? tail.readUInt32()) == WALChecksum.crc32c(file, 0..<slotBytes - 4) else { return nil }
        var reader = ByteReader(file, in: 0..<slotBytes - 4)
        guard (try? reader.readUInt64()) == magic, (try? reader.readUInt32()) == WALFormat.version else { return nil }
        return (try? decodeFields(&reader))?.owner
    }

    /// Throws if the slot is intact and not ours. Never traps.
    static func decode(_ file: [UInt8], name: String, owner: WALOwner) throws(WALError) -> Slot {
        guard file.count >= slotBytes else { return .bad("has \(file.count) bytes instead of \(fileBytes)") }
        var tail = ByteReader(file, in: slotBytes - 4..<slotBytes)
        guard (try? tail.readUInt32()) == WALChecksum.crc32c(file, 0..<slotBytes - 4) else {
            return .bad("fails its checksum")
        }
        var reader = ByteReader(file, in: 0..<slotBytes - 4)
        guard (try? reader.readUInt64()) == magic, let version = try? reader.readUInt32() else {
            return .bad("is no hard state")
        }
        guard version == WALFormat.version else { throw .unknownVersion(file: name, found: version) }
        guard let (found, slots) = try? decodeFields(&reader) else { return .bad("holds impossible values") }
        try found.expect(owner, file: name)
        return .good(slots)
    }

    private static func decodeFields(
        _ reader: inout ByteReader
    ) throws(DecodeError) -> (owner: WALOwner, slots: HardStateSlots) {
        _ = try reader.readUInt32()
        let owner = WALOwner(cluster: try reader.readRaw(16), replica: try reader.readReplicaID())
        let generation = try reader.readUInt64()
        let term = try reader.readUInt64()
        let voted = try reader.readBool()
        let vote = try reader.readReplicaID()
        guard max(generation, term) < WALRecord.numberLimit else { throw .invalid("hard state") }
        let state = HardState(term: Term(term), votedFor: voted ? vote : nil)
        return (owner, HardStateSlots(state: state, generation: generation))
    }
}
