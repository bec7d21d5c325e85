import Primitives
import Raft

// Harm to what a disk holds: rot, lost ends, empty disks, old copies. All of it is beyond what a power cut can cause,
// so a node that finds it may refuse to start (`isHarmed`).
extension SimulatedDisk {
    /// Which of several equal parts is hit.
    package enum Choice: Hashable, Sendable {
        case first, last, any
    }

    /// Inverts one bit of a part; false if the disk has no such part.
    package mutating func rot(_ part: WALLayout.Part, _ choice: Choice, random: inout SeededRandom) -> Bool {
        var found: [(file: Int, range: Range<Int>)] = []
        for (file, content) in files.map(\.content).enumerated() {
            for place in WALLayout.places(in: files[file].name, bytes: content) where place.part == part {
                found.append((file, place.range))
            }
        }
        let chosen: (file: Int, range: Range<Int>)? =
            switch choice {
            case .first: found.first
            case .last: found.last
            case .any: random.element(of: found)
            }
        guard let chosen else { return false }
        let byte = chosen.range.lowerBound + random.below(chosen.range.count)
        files[chosen.file].content[byte] ^= 1 << random.below(8)
        isHarmed = true
        faults.note(part.rot)
        return true
    }

    /// Inverts one bit of a file, counted from its first; false if it has no such bit.
    package mutating func flipBit(_ bit: Int, of name: String) -> Bool {
        guard let place = place(of: name), bit / 8 < files[place].content.count else { return false }
        files[place].content[bit / 8] ^= 1 << (bit % 8)
        isHarmed = true
        return true
    }

    /// Cuts the newest log file off after its last record begins, or `bytes` before its written end.
    package mutating func cutTail(bytes: Int) -> Bool {
        guard let place = files.lastIndex(where: { !WALLayout.places(in: $0.name, bytes: $0.content).isEmpty }),
            let end = files[place].content.lastIndex(where: { $0 != 0 }), end >= bytes
        else { return false }
        files[place].content.removeLast(files[place].content.count - (end + 1 - bytes))
        files[place].pending = []  // there is nothing left to take back
        isHarmed = true
        faults.note(.cutTail)
        return true
    }

    /// The newest file that has such a part cannot be read there any more: the sectors that the first one lies in.
    package mutating func makeUnreadable(_ part: WALLayout.Part) -> Bool {
        for file in files.reversed() {
            let places = WALLayout.places(in: file.name, bytes: file.content)
            guard let range = places.first(where: { $0.part == part })?.range else { continue }
            let sector = Self.sectorBytes
            let end = (range.upperBound + sector - 1) / sector * sector
            var trouble = trouble ?? DiskTrouble()
            trouble.unreadable[file.name] = range.lowerBound / sector * sector..<end
            self.trouble = trouble
            isHarmed = true
            return true
        }
        return false
    }

    /// Throws everything away, as after the machine was installed anew.
    package mutating func wipe() {
        files = []
        isHarmed = true
        faults.note(.wipedDisk)
    }

    /// Goes back to an older state, as a restored backup does.
    package mutating func rollBack(to copy: SimulatedDisk) {
        files = copy.files
        isForgetful = true
        for place in files.indices { files[place].pending = [] }
        isHarmed = true
        faults.note(.rolledBackDisk)
    }
}

extension WALLayout.Part {
    fileprivate var rot: FaultClass {
        switch self {
        case .slotA: .rotSlotA
        case .slotB: .rotSlotB
        case .segmentHeader: .rotSegmentHeader
        case .identity: .rotIdentity
        case .recordHeader: .rotRecordHeader
        case .recordBody: .rotRecordBody
        }
    }
}
