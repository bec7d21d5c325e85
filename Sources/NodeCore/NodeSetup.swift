import Authority
import Gossip
import Primitives
import Raft
import SecureChannel

/// What a brain is made from: identity, roster and timing, all decided before it starts.
package struct NodeSetup: Sendable {
    package let me: NodeID
    package let name: String
    package let endpoint: Endpoint
    /// Grows with every start of this data directory.
    package let bootEpoch: UInt64
    package let roster: Roster
    /// Whose keys signatures are checked with besides the log's: those of the genesis.
    let origin: MeshOrigin
    /// Makes this node's signature, and checks anybody's.
    let sign: Notary.Sign
    let checkSignature: MeshOrigin.Check
    /// Which replica this data directory is: the roster's, unless it was made anew since.
    package let replica: ReplicaID
    /// What this program understands.
    package let featureLevel: FeatureLevel
    /// How the mesh's election timeout is found while this node leads.
    package let electionTimeout: ElectionTimeoutPolicy
    package let contacts: [Contact]
    package let descriptor: NodeDescriptor
    package let raft: RaftConfig
    package let gossip: GossipConfig
    package let timing: NodeTiming
    /// What was kept of revocations that the log had not told of; empty for none.
    package let keptRevocations: [UInt8]
    /// `contacts` are the other roster members with an address to start from; `sign` signs with this node's key.
    package init(
        me: NodeID, name: String, endpoint: Endpoint, bootEpoch: UInt64, roster: Roster, contacts: [Contact],
        descriptor: NodeDescriptor, raft: RaftConfig, gossip: GossipConfig, replica: ReplicaID? = nil,
        featureLevel: FeatureLevel = .current, electionTimeout: ElectionTimeoutPolicy? = nil,
        keptRevocations: [UInt8] = [],
        sign: @escaping Notary.Sign,
        checkSignature: @escaping MeshOrigin.Check = { Identity.verify($0, of: $1, by: $2) }
    ) {
        origin = MeshOrigin(roster, check: checkSignature)
        self.sign = sign
        self.keptRevocations = keptRevocations
        self.checkSignature = checkSignature
        self.electionTimeout = electionTimeout ?? .pinned(raft.electionTimeout)
        guard let bound = roster.entry(of: me)?.replica else {
            preconditionFailure("node \(me) is not in its own roster")
        }
        self.replica = replica ?? bound
        self.featureLevel = featureLevel
        self.me = me
        self.name = name
        self.endpoint = endpoint
        self.bootEpoch = bootEpoch
        self.roster = roster
        self.contacts = contacts
        self.descriptor = descriptor
        self.raft = raft
        self.gossip = gossip
        timing = NodeTiming(electionTimeout: raft.electionTimeout, contacts: contacts)
    }
}

/// How long requests wait, all derived from the election timeout E.
package struct NodeTiming: Sendable {
    /// The largest datagram that is sent. It fits an IPv4 path of 1124 bytes, as tunnels within tunnels leave, and every
    /// IPv6 path (RFC 8200 §5), so that none is ever cut in pieces or swallowed for its size. What is larger goes by stream.
    package static let datagramBytesMax = 1096

    let electionTimeout: Duration
    /// A leaderless node holds a request this long before refusing it: long enough for one election.
    let holdLimit: Duration
    /// A request that may have been appended is given up after this long.
    let outcomeLimit: Duration
    /// A forwarded or read request without an answer is repeated after this long.
    let retryInterval: Duration
    /// The least time between a refused attempt and the next.
    let refusalPause: Duration
    private let contacts: [Contact]

    init(electionTimeout: Duration, contacts: [Contact]) {
        self.electionTimeout = electionTimeout
        holdLimit = min(.seconds(1), electionTimeout * 3)
        outcomeLimit = max(.seconds(3), electionTimeout * 10)
        retryInterval = electionTimeout
        refusalPause = electionTimeout / 20
        self.contacts = contacts
    }

    func contactEndpoint(of node: NodeID) -> Endpoint? {
        contacts.first { $0.id == node }?.endpoint
    }
}
