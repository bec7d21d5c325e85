import HashTreeCollections
import Primitives

/// Remembers what commands led to, so that one that arrives twice takes effect once (Ongaro's thesis §6.3).
///
/// The intuition: an origin repeats a command until it hears the outcome, so the log may hold it twice. The second
/// time, the reply of the first is given again. Replies below what the origin has acknowledged are dropped. Bounded in
/// both directions; what was forgotten is refused and never run again:
/// - a sequence below a known origin's floor is stale;
/// - an origin that is not known may have been forgotten, unless it was born after the last command of every origin
///   that ever was (`forgottenThrough`). A forgotten origin's last command came after its birth and not after
///   `forgottenThrough`, so it can never pass for a new one.
package struct ClientTable: Equatable, Sendable {
    /// One origin's memory.
    struct Client: Equatable, Sendable {
        /// Sequences below are acknowledged or forgotten.
        var floor: UInt64
        /// The entry of its last new command.
        var lastHeardAt: LogIndex
        /// By sequence, ascending, none below the floor.
        var replies: [Remembered]
    }

    struct Remembered: Equatable, Sendable {
        let sequence: UInt64
        let reply: AuthorityReply
    }

    /// What to do with a command that the log holds.
    enum Verdict: Equatable {
        case run
        case `repeat`(AuthorityReply)
        case refuse(Refusal)
    }

    private var clients: TreeDictionary<UInt64, Client> = [:]
    /// The highest `lastHeardAt` among origins that were forgotten; zero while there is none.
    private(set) var forgottenThrough: LogIndex = .zero

    package init() {}

    package var count: Int { clients.count }

    func decide(_ header: CommandEnvelope.Header, at index: LogIndex) -> Verdict {
        guard header.bornAt < index else { return .refuse(.malformed) }
        guard let client = clients[header.client] else {
            return header.bornAt < forgottenThrough ? .refuse(.clientExpired) : .run
        }
        if header.sequence < client.floor { return .refuse(.staleSequence) }
        let place = client.replies.place(of: header.sequence)
        if place < client.replies.count, client.replies[place].sequence == header.sequence, !planted(.repeatsRun) {
            return .repeat(client.replies[place].reply)
        }
        return .run
    }

    /// Call once for each command that was run, with its reply.
    mutating func record(
        _ reply: AuthorityReply, for header: CommandEnvelope.Header, at index: LogIndex, limits: AuthorityLimits
    ) {
        if clients[header.client] == nil { makeRoom(limits: limits) }
        let unknown = Client(floor: header.lowestUnacknowledged, lastHeardAt: index, replies: [])
        clients.updateValue(forKey: header.client, default: unknown) { client in
            client.lastHeardAt = index
            client.remember(reply, for: header.sequence)
            client.forget(below: header.lowestUnacknowledged)
            if client.replies.count > limits.repliesPerClient { client.forget(below: client.replies[0].sequence + 1) }
        }
    }

    private mutating func makeRoom(limits: AuthorityLimits) {
        guard clients.count >= limits.clients,
            let oldest = clients.min(by: { $0.value.lastHeardAt < $1.value.lastHeardAt })
        else { return }
        clients[oldest.key] = nil
        forgottenThrough = max(forgottenThrough, oldest.value.lastHeardAt)
    }

    /// What is wrong with the table, or nil.
    func violation(limits: AuthorityLimits, appliedIndex: LogIndex) -> String? {
        guard clients.count <= limits.clients else { return "\(clients.count) clients exceed \(limits.clients)" }
        guard forgottenThrough <= appliedIndex else { return "forgotten through \(forgottenThrough), after the log" }
        let lastHeard = clients.values.map(\.lastHeardAt).sorted()
        guard zip(lastHeard, lastHeard.dropFirst()).allSatisfy({ $0 < $1 }) else { return "two clients of one entry" }
        for (id, client) in clients {
            let sequences = client.replies.map(\.sequence)
            guard sequences.count <= limits.repliesPerClient, client.lastHeardAt <= appliedIndex else {
                return "client \(id) has \(sequences.count) replies, last heard at \(client.lastHeardAt)"
            }
            guard zip(sequences, sequences.dropFirst()).allSatisfy({ $0 < $1 }),
                client.floor <= sequences.first ?? .max, sequences.last ?? 0 < .max
            else { return "client \(id) remembers out of order, or below its floor \(client.floor)" }
        }
        return nil
    }
}

extension ClientTable.Client {
    /// Usually appends: commands of one origin mostly arrive in order.
    fileprivate mutating func remember(_ reply: AuthorityReply, for sequence: UInt64) {
        replies.insert(.init(sequence: sequence, reply: reply), at: replies.place(of: sequence))
    }

    fileprivate mutating func forget(below sequence: UInt64) {
        guard sequence > floor else { return }
        floor = sequence
        replies.removeFirst(replies.place(of: sequence))
    }
}

extension [ClientTable.Remembered] {
    /// Where a sequence is, or would go.
    fileprivate func place(of sequence: UInt64) -> Int {
        if let last, last.sequence < sequence { return count }
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension ClientTable {
    func encode(into writer: inout ByteWriter) {
        writer.write(forgottenThrough)
        writer.writeArray(clients.sorted { $0.key < $1.key }) { writer, entry in
            writer.write(entry.key)
            writer.writeVarint(entry.value.floor)
            writer.write(entry.value.lastHeardAt)
            writer.writeArray(entry.value.replies) { writer, remembered in
                writer.writeVarint(remembered.sequence)
                remembered.reply.encode(into: &writer)
            }
        }
    }

    init(from reader: inout ByteReader, limits: AuthorityLimits) throws(DecodeError) {
        self.init()
        forgottenThrough = try reader.readLogIndex()
        var last: UInt64?
        for _ in 0..<(try reader.readCount(limit: limits.clients)) {
            let id = try reader.readUInt64()
            try requireAscending(id, after: &last)
            clients[id] = Client(
                floor: try reader.readVarint(), lastHeardAt: try reader.readLogIndex(),
                replies: try reader.readArray(limit: limits.repliesPerClient) { reader throws(DecodeError) in
                    Remembered(sequence: try reader.readVarint(), reply: try AuthorityReply(from: &reader))
                })
        }
    }
}
