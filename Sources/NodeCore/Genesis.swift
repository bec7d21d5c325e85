import Authority
import Primitives
import Raft
import SecureChannel

/// What a data directory is provisioned with before its node may vote: which cluster this is and which replicas are
/// bound to it. All nodes of one cluster hold the same genesis.
package struct Genesis: Hashable, Sendable, Codable {
    package struct Member: Hashable, Sendable, Codable {
        package let name: String
        /// 32 hexadecimal digits.
        package let node: String
        /// 16 hexadecimal digits.
        package let replica: String
        package let rank: Int
        package let isVoter: Bool
        /// X25519 and Ed25519, 64 hexadecimal digits each; `node` is their hash. Without them nobody can be spoken with
        /// over a network: only simulations do without.
        package let exchangeKey: String?
        package let signingKey: String?
        /// `core` or `edge`; absent in the files of older programs, where everybody counts as core.
        package let trustClass: String?
        /// The root key's signature over a core node's keys, 128 hexadecimal digits (`GenesisRoot`).
        package var rootSignature: String?

        package init(
            name: String, node: NodeID, replica: ReplicaID, rank: Int, isVoter: Bool, keys: PublicIdentity? = nil,
            trustClass: TrustClass? = nil
        ) {
            self.name = name
            self.trustClass = trustClass?.rawValue
            exchangeKey = keys.map { Hex.encode($0.exchangeKey) }
            signingKey = keys.map { Hex.encode($0.signingKey) }
            self.node = node.description
            self.replica = replica.description
            self.rank = rank
            self.isVoter = isVoter
        }
    }

    /// 32 hexadecimal digits.
    package let cluster: String
    /// Sorted by name.
    package var members: [Member]
    /// The public half of the root key, 64 hexadecimal digits; absent in the files of older programs.
    package var root: String?

    package init(cluster: [UInt8], members: [Member]) {
        precondition(cluster.count == 16, "a cluster id has 16 bytes, not \(cluster.count)")
        self.cluster = Hex.encode(cluster)
        self.members = members.sorted { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
    }
}

extension Genesis.Member {
    /// nil if a key is missing or is none.
    fileprivate var publicKeys: PublicIdentity? {
        guard let exchange = exchangeKey.flatMap(Hex.decode), let signing = signingKey.flatMap(Hex.decode) else {
            return nil
        }
        return PublicIdentity(exchangeKey: exchange, signingKey: signing)
    }
}

/// A genesis whose identifiers have been parsed and checked.
package struct Roster: Hashable, Sendable {
    package struct Entry: Hashable, Sendable {
        package let name: String
        package let node: NodeID
        package let replica: ReplicaID
        package let rank: Int
        package let isVoter: Bool
        package let keys: PublicIdentity?
        /// Signs what changes the mesh itself. Edge machines can be stolen.
        package let isCore: Bool
        /// The mesh may make it a voter.
        package var mayVote = true
        /// It joined with a token, and was not there from the beginning.
        package var isAdmitted = false
        /// Where it was when it joined.
        package var endpoint: Endpoint?
        /// Belongs to the mesh no longer, and never will again.
        package internal(set) var isRevoked = false
    }

    package let cluster: [UInt8]
    /// Those of the genesis, then the admitted in order: a place is never another node's. Revoked ones stay in theirs.
    package private(set) var entries: [Entry]
    private var genesisCount = 0
    /// Of the `RosterTable` that was followed last.
    package private(set) var revision: UInt64 = 0

    private init() {
        cluster = []
        entries = []
    }

    /// Nobody, of no mesh.
    package static let empty = Roster()

    /// Returns nil if an identifier is malformed, a name or identifier repeats, keys are not those of their node's id, the
    /// root key has not named each core node, or nobody votes.
    package init?(_ genesis: Genesis) {
        guard let cluster = Hex.decode(genesis.cluster), cluster.count == 16, GenesisRoot.hasNamed(genesis) else {
            return nil
        }
        var entries: [Entry] = []
        for member in genesis.members {
            guard let node = NodeID(hex: member.node), let raw = Hex.decode(member.replica), raw.count == 8 else {
                return nil
            }
            let replica = ReplicaID(raw.reduce(0) { $0 << 8 | UInt64($1) })
            let keys = member.publicKeys
            if member.exchangeKey != nil || member.signingKey != nil {
                guard let keys, keys.nodeID == node else { return nil }
            }
            let trustClass = member.trustClass.map { TrustClass(rawValue: $0) } ?? .core
            guard let trustClass else { return nil }
            guard !entries.contains(where: { $0.name == member.name || $0.node == node || $0.replica == replica })
            else {
                return nil
            }
            entries.append(
                Entry(
                    name: member.name, node: node, replica: replica, rank: member.rank, isVoter: member.isVoter,
                    keys: keys, isCore: trustClass == .core))
        }
        guard entries.contains(where: \.isVoter) else { return nil }
        self.cluster = cluster
        self.entries = entries
        genesisCount = entries.count
    }

    /// Takes in who was admitted and revoked. An older table than the one followed before changes nothing.
    package mutating func follow(_ table: RosterTable) {
        guard table.revision > revision else { return }
        revision = table.revision
        for member in table.admitted.dropFirst(entries.count - genesisCount) {
            entries.append(Entry(member))
        }
        for revocation in table.revocations {
            revoke(revocation.node)
        }
    }

    /// Out for ever, whatever the log says later.
    mutating func revoke(_ node: NodeID) {
        for place in entries.indices where entries[place].node == node { entries[place].isRevoked = true }
    }

    /// Who was there from the beginning.
    var genesis: ArraySlice<Entry> { entries.prefix(genesisCount) }
    /// Who belongs to the mesh now.
    package var present: [Entry] { entries.filter { !$0.isRevoked } }

    /// Everybody's keys for the channel; nil if one of them has none.
    package var channelPeers: [ChannelKeys.Peer]? {
        let peers = entries.compactMap { entry in
            entry.keys.map {
                ChannelKeys.Peer(
                    node: entry.node, exchangeKey: $0.exchangeKey, isCore: entry.isCore,
                    isRevoked: entry.isRevoked)
            }
        }
        return peers.count == entries.count ? peers : nil
    }

    /// Nil for strangers and for who was revoked.
    package func entry(of node: NodeID) -> Entry? { entries.first { $0.node == node && !$0.isRevoked } }
    package func isRevoked(_ node: NodeID) -> Bool { entries.contains { $0.node == node && $0.isRevoked } }
    /// Where in `entries` a node stands; cheaper than its entry for who asks at every frame.
    func place(of node: NodeID) -> Int? {
        for place in entries.indices where entries[place].node == node { return entries[place].isRevoked ? nil : place }
        return nil
    }

    package func entry(of replica: ReplicaID) -> Entry? { entries.first { $0.replica == replica } }
    package func entry(named name: String) -> Entry? { entries.first { $0.name == name && !$0.isRevoked } }

    /// Who votes in the log's first configuration. Others learn the log without voting.
    package var configuration: Configuration {
        let entries = entries.prefix(genesisCount)
        return Configuration(
            voters: entries.filter(\.isVoter).map(\.replica), learners: entries.filter { !$0.isVoter }.map(\.replica),
            bindings: entries.map { Configuration.Binding(replica: $0.replica, node: $0.node) })
    }

    /// At most five voters and always an odd number of them (an even one adds a machine that can fail, not a failure
    /// that can be survived), the highest ranks first and names between equals.
    package static func chooseVoters(_ candidates: [(name: String, rank: Int)]) -> Set<String> {
        chooseVoters(candidates.map { ($0.name, $0.rank, true) })
    }

    /// Edge machines always fewer than a quorum: every majority holds a core node. Empty if there is no core node.
    package static func chooseVoters(_ candidates: [(name: String, rank: Int, isCore: Bool)]) -> Set<String> {
        var count = min(5, candidates.count)
        if count.isMultiple(of: 2) { count = max(1, count - 1) }
        let cores = candidates.count(where: \.isCore)
        // With c core nodes at most c - 1 others: an odd number of voters.
        let odd = min(count, max(0, cores * 2 - 1))
        let order = candidates.sorted { a, b in
            a.rank != b.rank ? a.rank > b.rank : Array(a.name.utf8).lexicographicallyPrecedes(Array(b.name.utf8))
        }
        var edges = MembershipPlan.edgeVotersMax(among: odd)
        let allowed = order.filter { candidate in
            if candidate.isCore { return true }
            edges -= 1
            return edges >= 0
        }
        return Set(allowed.prefix(odd).map { $0.name })
    }
}

extension Roster.Entry {
    init(_ member: RosterMember) {
        self.init(
            name: member.name.text, node: member.node, replica: member.replica, rank: Int(member.rank), isVoter: false,
            keys: PublicIdentity(exchangeKey: member.exchangeKey.bytes, signingKey: member.signingKey.bytes),
            isCore: member.isCore, mayVote: member.mayVote, isAdmitted: true, endpoint: member.endpoint)
    }
}
