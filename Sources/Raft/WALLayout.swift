import Primitives

/// Where in the log's files what lies, for whoever shows them or harms them on purpose. Trusts the bytes as they are:
/// it is no recovery, and checks no checksum.
package enum WALLayout {
    package enum Part: Hashable, Sendable, CaseIterable {
        case slotA, slotB
        case segmentHeader
        case identity
        case recordHeader
        case recordBody
    }

    /// One part of a file.
    package struct Place: Hashable, Sendable {
        package let part: Part
        package let range: Range<Int>
    }

    /// The parts of a file of the log in the order of their offsets; empty for any other file. Never traps.
    package static func places(in file: String, bytes: [UInt8]) -> [Place] {
        if let slot = HardStateSlots.files.firstIndex(of: file) {
            guard bytes.count >= HardStateSlots.slotBytes else { return [] }
            return [Place(part: slot == 0 ? .slotA : .slotB, range: 0..<HardStateSlots.slotBytes)]
        }
        guard WALSegmentHeader.segment(ofFile: file) != nil, bytes.count >= WALSegmentHeader.blockBytes else {
            return []
        }
        var places = [0, WALSegmentHeader.copyOffset].map {
            Place(part: .segmentHeader, range: $0..<$0 + WALSegmentHeader.bytes)
        }
        let records = recordPlaces(in: bytes)
        let identities = records.count { $0.part == .recordHeader }
        for slot in 0..<identities {
            let start = WALSegmentHeader.blockBytes + slot * WALSegmentHeader.identityBytes
            places.append(Place(part: .identity, range: start..<start + WALSegmentHeader.identityBytes))
        }
        return places + records
    }

    private static func recordPlaces(in bytes: [UInt8]) -> [Place] {
        var places: [Place] = []
        var offset = WALSegmentHeader.blockBytes
        while offset + WALRecord.headerBytes <= bytes.count {
            var reader = ByteReader(bytes, in: offset..<offset + WALRecord.headerBytes)
            guard (try? reader.readUInt32()) == WALRecord.magic, (try? reader.readUInt64()) != nil,
                let bodyBytes = try? reader.readUInt32(), bodyBytes <= WALFormat.payloadMax
            else {
                offset += 8
                continue
            }
            let body = offset + WALRecord.headerBytes
            let end = min(bytes.count, body + Int(bodyBytes))
            places.append(Place(part: .recordHeader, range: offset..<body))
            if body < end { places.append(Place(part: .recordBody, range: body..<end)) }
            offset = body + WALRecord.rounded(Int(bodyBytes))
        }
        return places
    }
}
