import Primitives

// What this node believes, for whoever drives it.

extension Membership {
    /// Everyone known, us and the dead included, ascending by id.
    package var members: [Member] { table.rows.map(\.member) }

    package func member(_ id: NodeID) -> Member? { table.index(of: id).map { table.rows[$0].member } }

    /// Where a known member is reached; without a copy of its row, since every message asks.
    package func endpoint(of id: NodeID) -> Endpoint? {
        guard let index = table.index(of: id) else { return nil }
        return table.rows[index].member.endpoint
    }

    package func section(_ section: SectionID, of id: NodeID) -> Section? {
        table.index(of: id).flatMap { table.rows[$0].section(section) }
    }

    /// Smoothed over recent answers of that member to our own pings; nil before the first.
    package func roundTrip(to id: NodeID) -> Duration? {
        table.index(of: id).flatMap { table.rows[$0].roundTrip.smoothed.map(Duration.nanoseconds) }
    }

    /// Where a member stands; nil while it has not said so.
    package func coordinate(of member: NodeID) -> Coordinate? {
        member == id ? ownCoordinate : table.index(of: member).flatMap { table.rows[$0].coordinate }
    }

    /// To whom a stream is worth keeping open: it ends the moment their process does, where a probe is up to an interval
    /// away. Everyone well of a small mesh; of two the lower id opens the stream, and both notice its end.
    package var companions: [Member] {
        guard isSmall else { return [] }
        return table.rows.lazy.map(\.member).filter { $0.id > id && $0.state == .alive }
    }

    /// Our own incarnation. Its boot epoch may have moved past the one given at `init`: store it.
    package var incarnation: Incarnation { table.rows[me].member.incarnation }

    /// Someone should be there, and nobody was heard for a while: others' silence is more likely our own.
    package var isIsolated: Bool {
        guard clock - heardAnyoneAt > isolationWindow else { return false }
        return seeds.contains { table.index(of: $0.id) == nil }
            || table.rows.contains { $0.member.id != id && $0.member.state != .left }
    }
}
