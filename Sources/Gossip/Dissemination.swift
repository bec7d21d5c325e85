import Primitives

/// News waiting to be passed on (SWIM §4.1): what was sent least goes first, newer before older, and each piece leaves
/// after its allowance of sendings. Holds names only; the text is written at sending, so that what goes out is always
/// the newest. Bounded by the member table: one entry a member and one a section.
struct Dissemination: Sendable {
    enum Subject: Hashable, Sendable {
        case member(NodeID)
        case section(SectionID, of: NodeID)
    }

    private struct Item: Sendable {
        let subject: Subject
        let order: UInt64
        var sent = 0
        let allowance: Int
    }

    /// Sorted by (sent, newest first) whenever it is read.
    private var items: [Item] = []
    private var nextOrder: UInt64 = 0
    private var isSorted = true

    var isEmpty: Bool { items.isEmpty }
    var count: Int { items.count }

    /// News about the same subject replaces what was waiting.
    mutating func add(_ subject: Subject, allowance: Int) {
        precondition(allowance > 0, "news must be sent at least once (allowance \(allowance))")
        items.removeAll { $0.subject == subject }
        items.append(Item(subject: subject, order: nextOrder, allowance: allowance))
        nextOrder += 1
        isSorted = false
    }

    /// Nothing about this member goes out any more.
    mutating func forget(_ member: NodeID) {
        items.removeAll { item in
            switch item.subject {
            case .member(let subject): subject == member
            case .section(_, let owner): owner == member
            }
        }
    }

    /// The waiting subjects, the one to send first at the head.
    mutating func subjects() -> [Subject] {
        sort()
        return items.map(\.subject)
    }

    /// Offers subjects in order until `body` returns nil, and counts those for which it returned true as sent once more.
    mutating func spend(_ body: (Subject) -> Bool?) {
        guard !items.isEmpty else { return }
        sort()
        for index in items.indices {
            guard let wasSent = body(items[index].subject) else { break }
            if wasSent { items[index].sent += 1 }
        }
        items.removeAll { $0.sent >= $0.allowance }
        isSorted = false
    }

    private mutating func sort() {
        guard !isSorted else { return }
        items.sort { ($0.sent, $1.order) < ($1.sent, $0.order) }
        isSorted = true
    }
}
