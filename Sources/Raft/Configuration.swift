import Primitives

/// Who replicates the log, and who of them decides (Raft §6, thesis §4.3). It stands in the log: the last one there is in
/// force from the moment it is appended, committed or not.
///
///     {1,2,3} --proposeChange--> voters {3,4,5}, outgoing {1,2,3} --committed--> {3,4,5}
///                                 needs both majorities
///
/// What else every replica must agree on at one place of the log stands here too, so that snapshots carry it: which node
/// each replica belongs to, the election timeout, and the level of features in use.
package struct Configuration: Hashable, Sendable {
    /// More members than this are refused by the decoder.
    package static let memberCountMax = 512

    /// Which node a replica is the memory of. A node whose disk was wiped comes back as another replica.
    package struct Binding: Hashable, Sendable {
        package let replica: ReplicaID
        package let node: NodeID

        package init(replica: ReplicaID, node: NodeID) {
            self.replica = replica
            self.node = node
        }
    }

    /// Replicas whose votes and acknowledgements count; ascending, distinct.
    package let voters: [ReplicaID]
    /// In a joint configuration, the voters before it: a majority of these is needed as well. Empty otherwise.
    package let outgoing: [ReplicaID]
    /// Replicas that receive the log but decide nothing (thesis §4.2.1); none of them is a voter.
    package let learners: [ReplicaID]
    /// Outgoing voters that become learners when the joint configuration is left.
    package let learnersNext: [ReplicaID]
    /// Of members only, ascending by replica. Members without one belong to nodes that the surroundings know.
    package let bindings: [Binding]
    /// Agreed election timeouts; nil until the first agreement: each replica's own setting.
    package let timeouts: ElectionTimeouts?
    /// What every voter's program understands (`FeatureLevel`).
    package let featureLevel: FeatureLevel

    /// Traps on what `problem` finds: one disk must never count as two.
    package init(
        voters: [ReplicaID], outgoing: [ReplicaID] = [], learners: [ReplicaID] = [], learnersNext: [ReplicaID] = [],
        bindings: [Binding] = [], timeouts: ElectionTimeouts? = nil, featureLevel: FeatureLevel = .zero
    ) {
        self.init(
            unchecked: voters.sorted(), outgoing.sorted(), learners.sorted(), learnersNext.sorted(),
            bindings.sorted { $0.replica < $1.replica }, timeouts, featureLevel)
        if let problem { preconditionFailure("\(problem): \(self)") }
    }

    private init(
        unchecked voters: [ReplicaID], _ outgoing: [ReplicaID], _ learners: [ReplicaID], _ learnersNext: [ReplicaID],
        _ bindings: [Binding], _ timeouts: ElectionTimeouts?, _ featureLevel: FeatureLevel
    ) {
        self.voters = voters
        self.outgoing = outgoing
        self.learners = learners
        self.learnersNext = learnersNext
        self.bindings = bindings
        self.timeouts = timeouts
        self.featureLevel = featureLevel
    }

    // MARK: Queries

    package var isJoint: Bool { !outgoing.isEmpty }

    /// Of the voters that stay; a joint configuration needs a majority of `outgoing` besides.
    package var quorumSize: Int { Quorum.size(voters: voters.count) }

    package func isVoter(_ replica: ReplicaID) -> Bool { voters.contains(replica) || outgoing.contains(replica) }

    package func contains(_ replica: ReplicaID) -> Bool { isVoter(replica) || learners.contains(replica) }

    /// Everyone who receives the log; ascending, distinct.
    package var members: [ReplicaID] {
        let all = (voters + outgoing + learners).sorted()
        return all.indices.filter { $0 == 0 || all[$0] != all[$0 - 1] }.map { all[$0] }
    }

    /// Whether these replicas can decide.
    package func isQuorum(_ replicas: [ReplicaID]) -> Bool {
        [voters, outgoing].filter { !$0.isEmpty }.allSatisfy { half in
            half.count(where: replicas.contains) >= Quorum.size(voters: half.count)
        }
    }

    package func node(of replica: ReplicaID) -> NodeID? { bindings.first { $0.replica == replica }?.node }

    // MARK: Changes

    /// The configuration through which this one becomes `target`: a joint one if the voters differ.
    func entering(_ target: Configuration) -> Configuration {
        guard target.voters != voters else { return target }
        let known = bindings.filter { old in isVoter(old.replica) && target.node(of: old.replica) == nil }
        return Configuration(
            voters: target.voters, outgoing: voters, learners: target.learners.filter { !voters.contains($0) },
            learnersNext: target.learners.filter(voters.contains), bindings: target.bindings + known,
            timeouts: target.timeouts, featureLevel: target.featureLevel)
    }

    func with(_ timeouts: ElectionTimeouts) -> Configuration {
        Configuration(
            voters: voters, outgoing: outgoing, learners: learners, learnersNext: learnersNext, bindings: bindings,
            timeouts: timeouts, featureLevel: featureLevel)
    }

    /// What follows a joint configuration.
    var left: Configuration {
        let learners = learners + learnersNext
        return Configuration(
            voters: voters, learners: learners,
            bindings: bindings.filter { voters.contains($0.replica) || learners.contains($0.replica) },
            timeouts: timeouts, featureLevel: featureLevel)
    }

    /// What is wrong with it; nil if nothing is.
    private var problem: String? {
        for list in [voters, outgoing, learners, learnersNext, bindings.map(\.replica)]
        where !zip(list, list.dropFirst()).allSatisfy({ $0 < $1 }) {
            return "a list does not ascend"
        }
        if voters.isEmpty { return "nobody votes" }
        if learners.contains(where: isVoter) { return "a learner votes" }
        if !learnersNext.allSatisfy({ outgoing.contains($0) && !voters.contains($0) }) {
            return "a later learner is no outgoing voter"
        }
        if !bindings.allSatisfy({ contains($0.replica) }) { return "a stranger is bound" }
        return members.count > Self.memberCountMax ? "too many members" : nil
    }
}

extension Configuration {
    /// The payload of a `.configuration` entry.
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 16 + 8 * (voters.count + learners.count) + 24 * bindings.count)
        writer.write(self)
        return writer.bytes
    }

    package static func decode(_ bytes: [UInt8]) throws(DecodeError) -> Configuration {
        var reader = ByteReader(bytes)
        let configuration = try reader.readConfiguration()
        try reader.expectEnd()
        return configuration
    }

    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        self.init(
            unchecked: try reader.readReplicas(), try reader.readReplicas(), try reader.readReplicas(),
            try reader.readReplicas(),
            try reader.readArray(limit: Self.memberCountMax) { (reader) throws(DecodeError) in
                Binding(replica: try reader.readReplicaID(), node: try reader.readNodeID())
            },
            try reader.readOptional { (reader) throws(DecodeError) in try ElectionTimeouts(from: &reader) },
            FeatureLevel(try reader.readUInt16()))
        if let problem { throw .invalid(problem) }
    }
}

extension ByteWriter {
    package mutating func write(_ configuration: Configuration) {
        for list in [
            configuration.voters, configuration.outgoing, configuration.learners, configuration.learnersNext,
        ] {
            writeArray(list) { $0.write($1) }
        }
        writeArray(configuration.bindings) {
            $0.write($1.replica)
            $0.write($1.node)
        }
        writeOptional(configuration.timeouts) { $1.encode(into: &$0) }
        write(configuration.featureLevel.value)
    }
}

extension ByteReader {
    /// Throws `.invalid` unless the lists ascend and fit each other, so that each configuration has one form.
    package mutating func readConfiguration() throws(DecodeError) -> Configuration { try Configuration(from: &self) }

    fileprivate mutating func readReplicas() throws(DecodeError) -> [ReplicaID] {
        try readArray(limit: Configuration.memberCountMax) { (reader) throws(DecodeError) in
            try reader.readReplicaID()
        }
    }
}
