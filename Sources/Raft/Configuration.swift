import Primitives

/// Who replicates the log, and who of them decides (Raft §6). Replicas outside it are not listened to.
package struct Configuration: Hashable, Sendable {
    /// More voters make every commit wait for more disks; more members than this are refused by the decoder.
    package static let memberCountMax = 64

    /// Replicas whose votes and acknowledgements count; ascending, distinct.
    package let voters: [ReplicaID]
    /// Replicas that receive the log but decide nothing (thesis §4.2.1); ascending, distinct, none of them a voter.
    package let learners: [ReplicaID]

    /// Traps if an id occurs twice: one disk must never count as two.
    package init(voters: [ReplicaID], learners: [ReplicaID] = []) {
        self.voters = voters.sorted()
        self.learners = learners.sorted()
        precondition(
            Self.areDistinct(self.voters, self.learners),
            "a replica occurs twice: voters \(self.voters), learners \(self.learners)")
    }

    package var quorumSize: Int { Quorum.size(voters: voters.count) }

    package func isVoter(_ replica: ReplicaID) -> Bool { voters.contains(replica) }

    package func contains(_ replica: ReplicaID) -> Bool { isVoter(replica) || learners.contains(replica) }

    private static func areDistinct(_ voters: [ReplicaID], _ learners: [ReplicaID]) -> Bool {
        let all = (voters + learners).sorted()
        return zip(all, all.dropFirst()).allSatisfy { $0 != $1 }
    }
}

extension Configuration {
    /// The payload of a `.configuration` entry.
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 4 + 8 * (voters.count + learners.count))
        writer.write(self)
        return writer.bytes
    }

    package static func decode(_ bytes: [UInt8]) throws(DecodeError) -> Configuration {
        var reader = ByteReader(bytes)
        let configuration = try reader.readConfiguration()
        try reader.expectEnd()
        return configuration
    }
}

extension ByteWriter {
    package mutating func write(_ configuration: Configuration) {
        writeArray(configuration.voters) { $0.write($1) }
        writeArray(configuration.learners) { $0.write($1) }
    }
}

extension ByteReader {
    /// Throws `.invalid` unless both lists ascend and share no id, so that each configuration has one form.
    package mutating func readConfiguration() throws(DecodeError) -> Configuration {
        let limit = Configuration.memberCountMax
        let voters = try readArray(limit: limit) { (reader) throws(DecodeError) in try reader.readReplicaID() }
        let learners = try readArray(limit: limit) { (reader) throws(DecodeError) in try reader.readReplicaID() }
        for list in [voters, learners] where !zip(list, list.dropFirst()).allSatisfy({ $0 < $1 }) {
            throw .invalid("configuration order")
        }
        guard !voters.contains(where: learners.contains) else { throw .invalid("configuration overlap") }
        return Configuration(voters: voters, learners: learners)
    }
}
