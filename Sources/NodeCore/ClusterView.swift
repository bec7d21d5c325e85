import Authority
import Gossip
import Primitives
import Raft
import Routing

/// One node's picture of the mesh at one moment: what HTTP, the gateway and the interface read. A value, published by
/// the loop after every change; reading it needs no lock and blocks nobody.
///
/// Claims that age, such as "I am primary", carry deadlines and are judged at use: a process that was paused holds an
/// old view, and must not claim with it what has lapsed meanwhile.
package struct ClusterView: Sendable {
    package let me: NodeID
    package let name: String
    /// 16 bytes; shown to people only as a hash.
    package let clusterID: [UInt8]
    package let consensus: ConsensusView
    /// Sorted by name, this node included.
    package let members: [MemberView]
    /// Hears nobody, though it should.
    package let isIsolated: Bool
    /// The replicated state as applied here; a persistent value, cheap to hold.
    package let authority: AuthorityState
    /// The mesh's log time at `takenAt`.
    package let logTime: LogTime
    package let takenAt: Instant
    package let counters: NodeCounters
    /// Who belongs to the mesh, heard of or not.
    package let roster: Roster

    package init(
        me: NodeID, name: String, clusterID: [UInt8], consensus: ConsensusView, members: [MemberView],
        isIsolated: Bool, authority: AuthorityState, logTime: LogTime, takenAt: Instant, counters: NodeCounters,
        roster: Roster = .empty
    ) {
        self.roster = roster
        self.me = me
        self.name = name
        self.clusterID = clusterID
        self.consensus = consensus
        self.members = members
        self.isIsolated = isIsolated
        self.authority = authority
        self.logTime = logTime
        self.takenAt = takenAt
        self.counters = counters
    }

    package func member(_ id: NodeID) -> MemberView? { members.first { $0.id == id } }
    package func member(named name: String) -> MemberView? { members.first { $0.name == name } }
    package var myself: MemberView? { member(me) }
    /// Who belongs to the mesh and was not heard of since this node started: neither alive nor dead, as far as it knows.
    package var unheard: [Roster.Entry] { roster.present.filter { $0.node != me && member($0.node) == nil } }

    /// Who holds the leader's lease, as far as this node may say at `now`.
    package func primary(at now: Instant) -> NodeID? {
        guard let leader = consensus.leader, now < consensus.leaderValidUntil else { return nil }
        return leader
    }

    package func isPrimary(at now: Instant) -> Bool { primary(at: now) == me }

    /// A quorum-confirmed commit index received within `ConsensusView.freshness` is applied here: sessions and
    /// revocations can be judged as the whole mesh would.
    package func isFresh(at now: Instant) -> Bool { now < consensus.freshUntil }
    /// This node was fresh once in this life.
    package var hasCaughtUp: Bool { consensus.freshUntil > .zero }

    /// Unix time by the log's clock at `now`; advances by this node's own clock between entries. Nil until a primary has
    /// anchored the clock for the first time.
    package func unixTime(at now: Instant) -> UnixTime? {
        authority.clock.unix(at: logTime + (now - takenAt))
    }
}

package struct ConsensusView: Sendable {
    package enum Role: String, Sendable {
        case leader, follower, candidate
    }
    /// How long a confirmed commit index keeps a node fresh.
    package static let freshness: Duration = .milliseconds(500)

    package let term: Term
    package let role: Role
    package let leader: NodeID?
    /// The leader's own lease, or for a follower one election timeout after the leader's last word.
    package let leaderValidUntil: Instant
    package let freshUntil: Instant
    package let commitIndex: LogIndex
    package let appliedIndex: LogIndex
    package let voters: [NodeID]
    /// Those who follow without voting.
    package let observers: [NodeID]
    /// A change of the configuration is appended and not finished.
    package let isChanging: Bool
    /// E as this node goes by it now.
    package let electionTimeout: Duration

    package init(
        term: Term, role: Role, leader: NodeID?, leaderValidUntil: Instant, freshUntil: Instant,
        commitIndex: LogIndex, appliedIndex: LogIndex, voters: [NodeID], observers: [NodeID] = [],
        isChanging: Bool = false, electionTimeout: Duration = .milliseconds(300)
    ) {
        self.observers = observers
        self.isChanging = isChanging
        self.electionTimeout = electionTimeout
        self.term = term
        self.role = role
        self.leader = leader
        self.leaderValidUntil = leaderValidUntil
        self.freshUntil = freshUntil
        self.commitIndex = commitIndex
        self.appliedIndex = appliedIndex
        self.voters = voters
    }
}

package struct MemberView: Sendable {
    package let id: NodeID
    package let name: String
    package let endpoint: Endpoint
    package let state: MemberState
    package let incarnation: Incarnation
    package let isSelf: Bool
    package let isVoter: Bool
    package let roundTrip: Duration?
    /// Where it stands by its own measurements; the distance of two members estimates their round trip.
    package let coordinate: Coordinate?
    package let descriptor: NodeDescriptor?
    package let health: MemberHealth?
    /// How far it has come with the channel's keys, as it said itself.
    package let standing: ChannelStanding?

    package init(
        id: NodeID, name: String, endpoint: Endpoint, state: MemberState, incarnation: Incarnation, isSelf: Bool,
        isVoter: Bool, roundTrip: Duration?, coordinate: Coordinate? = nil, descriptor: NodeDescriptor?,
        health: MemberHealth?, standing: ChannelStanding? = nil
    ) {
        self.standing = standing
        self.id = id
        self.name = name
        self.endpoint = endpoint
        self.state = state
        self.incarnation = incarnation
        self.isSelf = isSelf
        self.isVoter = isVoter
        self.roundTrip = roundTrip
        self.coordinate = coordinate
        self.descriptor = descriptor
        self.health = health
    }
}

/// The newest health sections of a member, each with its own age.
package struct MemberHealth: Sendable {
    package let vitals: Vitals?
    package let load: Load?
    package let catalog: Catalog?
    /// When the most recent of them arrived here.
    package let receivedAt: Instant

    package init(vitals: Vitals?, load: Load?, catalog: Catalog?, receivedAt: Instant) {
        self.vitals = vitals
        self.load = load
        self.catalog = catalog
        self.receivedAt = receivedAt
    }
}

/// Events that are counted rather than answered, for metrics.
package struct NodeCounters: Sendable {
    /// Dropped datagrams by reason.
    package var rejectedFrames: [String: Int] = [:]
    package var receivedDatagrams = 0
    package var sentDatagrams = 0
    package var malformedPayloads = 0
    /// Messages that this node sent around a silent link.
    package var relayedFrames = 0
    /// Frames that it passed on for others.
    package var forwardedFrames = 0
    package init() {}
}
