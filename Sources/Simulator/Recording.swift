import NodeCore
import Primitives
import Raft

/// What happened in a run, for a page that a person looks at (`meshnode simulate --report`). Bounded: beyond a limit
/// nothing more of that kind is kept, and `isComplete` says so.
///
/// Times are microseconds of true time, nodes are places counted from 0.
package struct Recording: Sendable, Encodable {
    package enum Life: String, Sendable, Encodable {
        case up, down, refused, paused, resumed, halted
    }

    package struct LifeChange: Sendable, Encodable {
        package let at: Int64
        package let node: Int
        package let life: Life
    }

    /// Role, term and the leader that the node knows (-1: none).
    package struct RoleChange: Sendable, Encodable {
        package let at: Int64
        package let node: Int
        let role: String
        let term: UInt64
        let leader: Int
    }

    /// The node held the leader's lease from `at` to `until`.
    package struct Reign: Sendable, Encodable {
        package let at: Int64
        package fileprivate(set) var until: Int64
        package let node: Int
    }

    package struct Commit: Sendable, Encodable {
        package let at: Int64
        package let node: Int
        let index: UInt64
    }

    /// From now on these directions are cut.
    package struct Cuts: Sendable, Encodable {
        package let at: Int64
        let pairs: [[Int]]
    }

    /// A step of the story and what it printed.
    package struct Caption: Sendable, Encodable {
        package let at: Int64
        let text: String
        let output: [String]
    }

    package struct Message: Sendable, Encodable {
        package let at: Int64
        /// -1: it never arrived.
        package let arrival: Int64
        let from: Int
        let to: Int
        package let kind: String
    }

    private static let messagesMax = 40_000
    private static let eventsMax = 20_000

    package let nodes: [String]
    package private(set) var isComplete = true
    package private(set) var lives: [LifeChange] = []
    package private(set) var roles: [RoleChange] = []
    package private(set) var reigns: [Reign] = []
    package private(set) var commits: [Commit] = []
    package private(set) var cuts: [Cuts] = []
    package private(set) var captions: [Caption] = []
    package private(set) var messages: [Message] = []
    package private(set) var end: Int64 = 0
    /// The place in `reigns` of each node's newest.
    private var newestReign: [Int?]

    private enum CodingKeys: String, CodingKey {
        case nodes, isComplete, lives, roles, reigns, commits, cuts, captions, messages, end
    }

    package init(nodes: [String]) {
        self.nodes = nodes
        newestReign = Array(repeating: nil, count: nodes.count)
    }

    mutating func note(_ life: Life, of node: Int, at now: Instant) {
        add(LifeChange(at: micros(now), node: node, life: life), to: \.lives, max: Self.eventsMax)
        if life == .down || life == .halted { noteLease(of: node, until: now, at: now) }
    }

    mutating func note(role: String, term: Term, leader: Int?, of node: Int, at now: Instant) {
        let change = RoleChange(at: micros(now), node: node, role: role, term: term.value, leader: leader ?? -1)
        add(change, to: \.roles, max: Self.eventsMax)
    }

    /// The lease as it stands after a step: longer than before, or given up.
    mutating func noteLease(of node: Int, until: Instant, at now: Instant) {
        if let place = newestReign[node], reigns[place].until >= micros(now) {
            reigns[place].until = max(micros(now), micros(until))
        } else if until > now, reigns.count < Self.eventsMax {
            newestReign[node] = reigns.count
            reigns.append(Reign(at: micros(now), until: micros(until), node: node))
        }
    }

    mutating func note(applied index: LogIndex, of node: Int, at now: Instant) {
        add(Commit(at: micros(now), node: node, index: index.value), to: \.commits, max: Self.eventsMax)
    }

    mutating func note(cuts pairs: [[Int]], at now: Instant) {
        guard pairs != cuts.last?.pairs ?? [] else { return }
        add(Cuts(at: micros(now), pairs: pairs), to: \.cuts, max: Self.eventsMax)
    }

    mutating func note(caption text: String, output: [String], at now: Instant) {
        add(Caption(at: micros(now), text: text, output: output), to: \.captions, max: Self.eventsMax)
    }

    mutating func note(message kind: String, from: Int, to: Int, at now: Instant, arrival: Instant?) {
        let message = Message(
            at: micros(now), arrival: arrival.map(micros) ?? -1, from: from, to: to, kind: kind)
        add(message, to: \.messages, max: Self.messagesMax)
    }

    mutating func finish(at now: Instant) { end = micros(now) }

    private mutating func add<T>(_ item: T, to list: WritableKeyPath<Recording, [T]>, max limit: Int) {
        if self[keyPath: list].count < limit {
            self[keyPath: list].append(item)
        } else {
            isComplete = false
        }
    }

    private func micros(_ instant: Instant) -> Int64 { instant.nanoseconds / 1000 }
}
