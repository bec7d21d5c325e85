import Primitives

/// What a data directory holds, and what must be done before the replica may go on. Recovery itself writes nothing, so
/// `meshnode doctor` shows the same thing that a start would do.
package struct WALRecovery: Sendable {
    /// Ready to go on once `repairs` are executed. Refuses to plan anything if the verdict is `newReplica`.
    package let log: WriteAheadLog
    package let hardState: HardState
    /// The newest good snapshot.
    package let snapshot: Snapshot?
    /// Just before the first entry; not beyond the snapshot.
    package let base: LogPosition
    /// Every readable entry after the base, without a gap; none unless they reach the snapshot.
    package let entries: [Entry]
    package let verdict: WALVerdict
    /// To be executed, successfully, before the replica says anything to anyone: what was found may only lie in memory,
    /// written by a process that died before its sync.
    package let repairs: [DiskOperation]
    /// One fact a line, for a person.
    package let notes: [String]

    /// What missing entries forbid: nil if nothing is missing.
    package var doubt: WALDoubt? { log.doubt }

    /// What `meshnode doctor` says: what was found, what a start would do, what the person can do.
    package func report() -> [String] {
        var lines = [
            "term \(hardState.term), \(hardState.votedFor.map { "voted for \($0)" } ?? "no vote")",
            "\(entries.count) log entries, the last \(log.lastPosition)",
        ]
        if let snapshot {
            lines.append(
                "snapshot of \(snapshot.position), \(snapshot.bytes.count) bytes; the log begins after \(base)")
        }
        lines += notes
        switch verdict {
        case .clean:
            lines.append("verdict: clean")
        case .torn(let bytes):
            lines.append(
                "verdict: torn; the last write was cut off after \(bytes) bytes and was never acknowledged;"
                    + " a start leaves it behind; nothing to do")
        case .doubtful(let doubt):
            lines.append(
                "verdict: doubtful; entries \(doubt.first) to \(doubt.last.index) cannot be read and may have been"
                    + " acknowledged; the replica votes only for logs that hold them; start it, its peers decide")
        case .faulty(let doubt):
            lines.append(
                "verdict: faulty; acknowledged entries from \(doubt.first) to at least \(doubt.last.index) are damaged;"
                    + " the replica neither votes nor acknowledges until a leader has sent them again;"
                    + " start it, keep a majority of the others running, and check the disk")
        case .newReplica(let reason):
            lines.append(
                "verdict: \(reason); this replica must not vote again; a start sets its files aside and goes on as a new"
                    + " replica, which the others admit, first without a vote")
        }
        if !repairs.isEmpty { lines.append("a start would first run \(repairs.count) disk operations") }
        return lines
    }
}

extension WALVerdict.NewReplicaReason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .empty: "the directory holds no log"
        case .hardStateLost: "both hard state slots are damaged, so a vote may be forgotten"
        case .logLost: "there is hard state but no log"
        case .hardStateStale(let hardState, let log):
            "the hard state ends at term \(hardState) but the log reaches term \(log), so a vote may be forgotten"
        }
    }
}
