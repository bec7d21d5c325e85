import Primitives

// Who is out for ever: no member that failed, but one that is spoken with no longer, because its owner's machine was
// stolen or sold. SWIM has nothing of the kind; whoever calls this knows it from elsewhere.

extension Membership {
    /// Far more than were ever members.
    static let expelledMax = 1024

    /// Forgets this member at once and learns of it from nobody any more, nor calls it. Nothing is told to others, who have
    /// it from where we have it. The caller keeps away what it sends.
    package mutating func expel(_ member: NodeID, into effects: inout [GossipEffect]) {
        guard member != id, !hasLeft, !isExpelled(member), expelled.count < Self.expelledMax else { return }
        expelled.insert(member, at: expelled.firstIndex { $0 > member } ?? expelled.count)
        seeds.removeAll { $0.id == member }
        probeOrder.removeAll { $0 == member }
        relays.removeAll { $0.target == member || $0.requester == member }
        dissemination.forget(member)
        guard let index = table.index(of: member) else { return reviewContacts() }
        var gone = table.rows[index].member
        table.remove(at: index)
        cachedChecksum = nil
        // What it accused others of stands as little as its other words.
        reviewSuspicions()
        reviewContacts()
        gone.state = .left
        effects.append(.memberChanged(gone))
    }

    func isExpelled(_ member: NodeID) -> Bool {
        !expelled.isEmpty && expelled.contains(member)
    }
}
