import NodeCore
import Primitives
import Raft

/// The consensus of every node of a world, step by step, as the model of the protocol needs it
/// (models/MeshRaftTrace.tla): a line for each step of a node in which its Raft state changed, or a write began or ended.
package struct ProtocolTrace: Sendable {
    /// An entry, as far as the protocol looks into it.
    package struct Entry: Hashable, Sendable, Encodable {
        package let term: UInt64
        /// Places of nodes, from 1; both empty for anything but a change of voters.
        let voters: [Int]
        let outgoing: [Int]
    }

    package struct Line: Hashable, Sendable, Encodable {
        /// Place, from 1.
        package let node: Int
        /// The node was started: this is what its disk held.
        package let isStart: Bool
        package let term: UInt64
        /// 0: nobody.
        let votedFor: Int
        let role: String
        let commitIndex: UInt64
        let matchedIndex: UInt64
        package let isLeaseForfeited: Bool
        /// The vote was withheld when the step began, and when it had ended.
        let withheld: Bool
        let withholds: Bool
        /// How many entries of the node's log before are still there, and what follows them.
        package let kept: Int
        package let appended: [Entry]
        /// The write under way has ended: the step begins with that.
        package let hasWritten: Bool
        /// The step ends with a write of term, vote and the log through this entry; nil if it begins none.
        package let writesThrough: UInt64?
    }

    private struct Standing: Hashable, Sendable {
        var term: UInt64 = 0
        var votedFor = 0
        var role = ""
        var commitIndex: UInt64 = 0
        var matchedIndex: UInt64 = 0
        var isLeaseForfeited = false
    }

    private struct Follower: Sendable {
        var life = 0
        var standing = Standing()
        var log: [Entry] = []
        var withheldUntil: Instant = .zero
        var isWriting = false
    }

    package private(set) var lines: [Line] = []
    private let replicas: [ReplicaID]
    private var nodes: [Follower]

    init(replicas: [ReplicaID]) {
        self.replicas = replicas
        nodes = Array(repeating: Follower(), count: replicas.count)
    }

    /// - Parameters:
    ///   - now: by the node's own clock.
    ///   - beginsWrite: the step hands a write to the disk.
    mutating func note(_ consensus: borrowing Consensus, of node: Int, life: Int, beginsWrite: Bool, now: Instant) {
        let standing = Standing(
            term: consensus.term.value, votedFor: place(consensus.votedFor), role: Self.name(consensus.role),
            commitIndex: consensus.commitIndex.value, matchedIndex: consensus.sharedIndex.value,
            isLeaseForfeited: consensus.hasOrderedSuccessor)
        let isStart = nodes[node].life != life
        let (log, kept) = readLog(of: consensus, after: nodes[node].log)
        let hasWritten = !isStart && nodes[node].isWriting && (beginsWrite || !consensus.isWriting)
        let isLogChanged = kept < nodes[node].log.count || log.count > kept
        if isStart || hasWritten || beginsWrite || isLogChanged || standing != nodes[node].standing {
            lines.append(
                Line(
                    node: node + 1, isStart: isStart, term: standing.term, votedFor: standing.votedFor,
                    role: standing.role, commitIndex: standing.commitIndex, matchedIndex: standing.matchedIndex,
                    isLeaseForfeited: standing.isLeaseForfeited, withheld: now < nodes[node].withheldUntil,
                    withholds: now < consensus.withholdingDeadline, kept: kept, appended: Array(log[kept...]),
                    hasWritten: hasWritten, writesThrough: beginsWrite ? consensus.issuedIndex.value : nil))
        }
        nodes[node].life = life
        nodes[node].standing = standing
        nodes[node].log = log
        nodes[node].withheldUntil = consensus.withholdingDeadline
        nodes[node].isWriting = consensus.isWriting
    }

    /// The log as it is now, and how much of `before` it begins with. Entries of one index and term are equal.
    private func readLog(of consensus: borrowing Consensus, after before: [Entry]) -> (log: [Entry], kept: Int) {
        precondition(consensus.log.base.index == .zero, "a trace cannot tell of a log that a snapshot has shortened")
        let last = Int(consensus.lastIndex.value)
        var kept = 0
        while kept < min(last, before.count), consensus.log.term(at: Self.index(kept))?.value == before[kept].term {
            kept += 1
        }
        var log = Array(before.prefix(kept))
        for place in kept..<last { log.append(read(consensus.log[Self.index(place)])) }
        return (log, kept)
    }

    private static func index(_ place: Int) -> LogIndex { LogIndex(UInt64(place) + 1) }

    private func read(_ entry: Raft.Entry) -> Entry {
        let stated = entry.kind == .configuration ? try? Configuration.decode(entry.payload) : nil
        return Entry(
            term: entry.term.value, voters: stated?.voters.map { place($0) } ?? [],
            outgoing: stated?.outgoing.map { place($0) } ?? [])
    }

    private func place(_ replica: ReplicaID?) -> Int {
        replica.flatMap { replicas.firstIndex(of: $0) }.map { $0 + 1 } ?? 0
    }

    /// Who asks whether it could be elected has no leader and no term of its own: a follower, to the model.
    private static func name(_ role: Consensus.Role) -> String {
        switch role {
        case .follower, .preCandidate: "follower"
        case .candidate: "candidate"
        case .leader: "leader"
        }
    }
}

extension World {
    package mutating func traceProtocol() { protocolTrace = ProtocolTrace(replicas: nodes.map(\.replica)) }

    mutating func recordProtocol(of node: Int) {
        let beginsWrite = effects.contains { if case .disk = $0 { true } else { false } }
        // Moved out meanwhile: two owners of its lines would copy them.
        guard var tracing = protocolTrace.take() else { return }
        let life = nodes[node].life
        let now = localTime(of: node)
        _ = nodes[node].read {
            tracing.note($0.consensus, of: node, life: life, beginsWrite: beginsWrite, now: now)
        }
        protocolTrace = tracing
    }
}
