import Primitives

/// Why a data directory cannot be opened at all. Nothing on disk was changed, and nothing must be until a person has
/// looked: each of these is more often a wrong path or a wrong program than a broken disk. Damage that recovery can
/// judge is no error but a `WALVerdict`.
package enum WALError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A file could not be read (permission, or the device failed). Fix the access or the disk and start again.
    case unreadable(file: String, cause: String)
    /// The directory belongs to another cluster. Point the configuration at the right directory.
    case foreignCluster(file: String, found: [UInt8], expected: [UInt8])
    /// The directory belongs to another replica, perhaps because it was copied. Two replicas must never share one.
    case foreignReplica(file: String, found: ReplicaID, expected: ReplicaID)
    /// Written by another version of the program. Start the version that wrote it.
    case unknownVersion(file: String, found: UInt32)
    /// An entry whose checksums are right states a configuration that this program cannot read: another version wrote it.
    /// Start that one. Guessing who votes could elect two leaders.
    case unknownConfiguration(at: LogIndex, cause: String)

    package var description: String {
        switch self {
        case .unreadable(let file, let cause):
            "\(file): cannot be read (\(cause)); check its permissions and the disk, then start again"
        case .foreignCluster(let file, let found, let expected):
            "\(file): belongs to cluster \(Hex.encode(found)), this node to \(Hex.encode(expected));"
                + " name the data directory of this cluster"
        case .foreignReplica(let file, let found, let expected):
            "\(file): belongs to replica \(found), this node is \(expected);"
                + " name this node's own data directory, never a copy of another's"
        case .unknownVersion(let file, let found):
            "\(file): has log format \(found), this program knows only \(WALFormat.version);"
                + " start the program that wrote it"
        case .unknownConfiguration(let index, let cause):
            "log entry \(index): is intact, but this program cannot read the configuration in it (\(cause));"
                + " start the program that wrote it"
        }
    }
}
