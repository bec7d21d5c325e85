import Logging
import NodeCore
import Primitives
import Raft
import SecureChannel

/// Makes a data directory's log ready to go on, whatever is left of it.
///
///     in order, torn, doubtful   goes on
///     faulty                     goes on; the others send again what is damaged
///     promises lost              the old files are set aside, and the node goes on as a replica that never was before:
///                                the others admit it as a learner, and its old votes count no more
///
/// The log is made together with the directory (`DataDirectory.provision`), so that a log that is missing is a log that is
/// lost. The only voter of a mesh has nobody who could send it anything: there, a person decides.
struct LogRecovery {
    let replica: ReplicaID
    let recovery: WALRecovery

    static func run(
        _ directory: DurableDirectory, data: DataDirectory, logger: Logger
    ) throws -> LogRecovery {
        let cluster = data.roster.cluster
        var replica = try bound(to: directory, data: data)
        var recovery = try WriteAheadLog.recover(from: directory, cluster: cluster, replica: replica)
        switch recovery.verdict {
        case .clean, .torn, .doubtful: break
        case .faulty(let doubt):
            try refuseAlone(data, recovery)
            logger.error(
                "acknowledged log entries are damaged: the others must send them again; check this disk",
                metadata: ["first": "\(doubt.first)", "last": "\(doubt.last)"])
        case .newReplica(let reason):
            try refuseAlone(data, recovery)
            var entropy = SodiumEntropy()
            replica = ReplicaID(entropy.bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
            logger.critical(
                "this node's vote may be forgotten: it goes on as a new replica, first without a vote; check this disk",
                metadata: ["reason": "\(reason)", "replica": "\(replica)"])
            let (_, operations) = WriteAheadLog.replace(
                fileNames: try directory.fileNames(), cluster: cluster, replica: replica)
            try directory.execute(operations)
            recovery = try WriteAheadLog.recover(from: directory, cluster: cluster, replica: replica)
        }
        try directory.execute(recovery.repairs)
        for note in recovery.notes { logger.notice("log recovered", metadata: ["note": "\(note)"]) }
        return LogRecovery(replica: replica, recovery: recovery)
    }

    /// The replica that the directory was made for: the one it names, unless that is another node's.
    static func bound(to directory: DurableDirectory, data: DataDirectory) throws -> ReplicaID {
        guard let entry = data.roster.entry(of: data.identity.nodeID) else {
            preconditionFailure("DataDirectory.open checked that this node is in its roster")
        }
        guard let named = WriteAheadLog.replica(on: directory, cluster: data.roster.cluster),
            data.roster.entry(of: named) == nil
        else { return entry.replica }
        return named
    }

    private static func refuseAlone(_ data: DataDirectory, _ recovery: WALRecovery) throws(ConfigError) {
        guard data.roster.present.count(where: { $0.isVoter || ($0.isAdmitted && $0.mayVote) }) == 1 else { return }
        throw ConfigError(
            file: data.logPath, problem: recovery.report().joined(separator: "; "),
            advice:
                "nothing was changed, and no other node can send what is missing; run 'meshnode doctor' for details, and restore this directory from a backup or provision the mesh anew"
        )
    }
}
