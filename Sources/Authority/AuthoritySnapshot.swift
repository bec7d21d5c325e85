import Primitives

/// The whole state as bytes, sorted: what a node that is too far behind receives instead of the log (Raft §7).
///
/// Equal states give equal bytes on every node, whatever order their maps iterate in.
package enum AuthoritySnapshot {
    package static let version: UInt8 = 1
    /// The same, followed by the roster.
    static let rosterVersion: UInt8 = 2
    /// The same, followed by the topics.
    static let topicsVersion: UInt8 = 3
    /// The same, followed by the epochs under which values are sealed.
    static let sealedVersion: UInt8 = 4

    package static func encode(_ state: AuthorityState) -> [UInt8] {
        var writer = ByteWriter(
            capacity: 256 * (state.sessions.count + state.users.count) + state.values.bytesTotal
                + state.topics.bytesTotal)
        writer.write(
            state.hasSealedValues
                ? sealedVersion : state.hasTopics ? topicsVersion : state.hasRoster ? rosterVersion : version)
        state.encode(into: &writer)
        return writer.bytes
    }

    /// Throws where the bytes are no snapshot, or one whose parts contradict each other; never traps.
    package static func decode(
        _ bytes: [UInt8], limits: AuthorityLimits = .standard
    ) throws(DecodeError) -> AuthorityState {
        var reader = ByteReader(bytes)
        let found = try reader.readUInt8()
        guard (version...sealedVersion).contains(found) else { throw .invalid("snapshot version") }
        let state = try AuthorityState(from: &reader, limits: limits, version: found)
        try reader.expectEnd()
        if let violation = state.violation { throw .invalid(violation) }
        return state
    }
}

extension AuthorityState {
    /// A fingerprint of the whole state, equal on nodes that applied the same log: 64-bit FNV-1a over the snapshot.
    /// It finds divergence, not tampering.
    package func digest() -> UInt64 {
        AuthoritySnapshot.encode(self).reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
