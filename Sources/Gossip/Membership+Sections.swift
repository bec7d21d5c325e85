import Primitives

// What others publish, from their own mouth or passed on, and our own sections as others remember them.

extension Membership {
    /// From anyone: the owner's signature vouches for it.
    mutating func merge(_ news: SectionNews, now: Instant, into effects: inout [GossipEffect]) {
        if news.owner == id { return reclaim(news, now: now, into: &effects) }
        guard let index = table.index(of: news.owner),
            news.stamp.bootEpoch == table.rows[index].member.incarnation.bootEpoch,
            (table.rows[index].signed(news.section)?.section.stamp ?? .none) < news.stamp, isSigned(news)
        else { return }
        let isFirst = table.rows[index].section(news.section) == nil
        let section = Section(
            bootEpoch: news.stamp.bootEpoch, version: news.stamp.version, bytes: news.bytes, receivedAt: now)
        let gain = table.rows[index].store(section, signature: news.signature, as: news.section)
        guard gain != .nothing else { return }
        // There is more where this came from: a newcomer fetches page after page.
        if isFirst { nextDigestAt = min(nextDigestAt, now + config.antiEntropyInterval) }
        cachedChecksum = nil
        guard gain == .content else { return }
        effects.append(.sectionChanged(news.section, of: news.owner))
        if table.liveCount > config.directSectionMembersMax { spread(news.section, of: news.owner, now: now) }
    }

    /// From its owner in person. It goes no further: we could prove it to nobody.
    mutating func merge(_ told: ToldSection, from source: Source, into effects: inout [GossipEffect]) {
        guard let index = table.index(of: source.peer),
            told.stamp.bootEpoch == table.rows[index].member.incarnation.bootEpoch
        else { return }
        let section = Section(
            bootEpoch: told.stamp.bootEpoch, version: told.stamp.version, bytes: told.bytes, receivedAt: source.now)
        guard table.rows[index].store(section, signature: nil, as: told.section) == .content else { return }
        effects.append(.sectionChanged(told.section, of: source.peer))
    }

    private mutating func isSigned(_ news: SectionNews) -> Bool {
        let isSigned = notary.isSigned(news)
        if !isSigned { counters.unsignedClaims += 1 }
        return isSigned
    }

    /// Someone holds a section of this epoch of ours that is newer than what we remember publishing. As with incarnations,
    /// the answer is a new epoch and never a count past theirs. Without our signature it is a lie, and not answered.
    private mutating func reclaim(_ news: SectionNews, now: Instant, into effects: inout [GossipEffect]) {
        let own = table.rows[me].section(news.section)?.stamp ?? .none
        guard news.stamp.bootEpoch == incarnation.bootEpoch, news.stamp > own, isSigned(news) else { return }
        renew(to: afterEpoch(news.stamp.bootEpoch), now: now, into: &effects)
    }

    /// A member that is new or back has missed what we published. Where owners tell everyone, they tell it at once
    /// rather than wait for a digest.
    mutating func repeatOwnSections(now: Instant) {
        if !unsigned.isEmpty { tellAt = min(tellAt, max(now, lastToldAt + config.gossipInterval)) }
        guard table.liveCount <= config.directSectionMembersMax else { return }
        for owned in table.rows[me].sections where owned.signed != nil { spread(owned.id, of: id, now: now) }
    }
}
