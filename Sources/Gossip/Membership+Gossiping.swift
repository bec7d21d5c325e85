import Primitives

// Passing news on: between probes in rounds of its own, and on the back of pings and acks (SWIM §4.1).
//
// A small mesh tells everyone in one round and repeats its own news once. A large one sends each piece a logarithmic
// number of times to random members, and on every ping and ack.

extension Membership {
    /// Queues what we hold about a member.
    mutating func spread(_ index: Int, isUrgent: Bool, now: Instant) {
        let isOwn = index == me || hasAccused(index)
        let allowance = isSmall ? (isOwn ? 2 : 1) : retransmitCount
        queue(.member(table.rows[index].member.id), allowance: allowance, isUrgent, now)
    }

    mutating func spread(_ section: SectionID, of owner: NodeID, now: Instant) {
        let isDirect = table.liveCount <= config.directSectionMembersMax
        queue(.section(section, of: owner), allowance: isDirect ? 1 : retransmitCount, false, now)
    }

    private mutating func queue(
        _ subject: Dissemination.Subject, allowance: Int, _ isUrgent: Bool, _ now: Instant
    ) {
        let regular = max(now, lastGossipAt + config.gossipInterval)
        if isUrgent {
            gossipAt = now
        } else if dissemination.isEmpty {
            gossipAt = regular
        }
        dissemination.add(subject, allowance: allowance)
    }

    /// lambda * ceil(log10(n + 1)).
    private var retransmitCount: Int {
        var digits = 1
        var rest = table.liveCount / 10
        while rest > 0 {
            digits += 1
            rest /= 10
        }
        return config.retransmitMultiplier * digits
    }

    mutating func tickGossip(now: Instant, into effects: inout [GossipEffect]) {
        guard !dissemination.isEmpty, gossipAt <= now else { return }
        let peers = table.indices.filter { $0 != me && table.rows[$0].member.state.isLive }
        guard !peers.isEmpty else {
            // With nobody to tell, news waits for a digest.
            dissemination = Dissemination()
            return
        }
        lastGossipAt = now
        gossipAt = now + config.gossipInterval
        if isSmall { tellEveryone(peers, into: &effects) } else { tellSome(peers, into: &effects) }
    }

    private mutating func tellEveryone(_ peers: [Int], into effects: inout [GossipEffect]) {
        for payload in payloads(of: dissemination.subjects().compactMap(text)) {
            for peer in peers { send(payload, to: peer, into: &effects) }
        }
        dissemination.spend { _ in true }
    }

    private mutating func tellSome(_ peers: [Int], into effects: inout [GossipEffect]) {
        // Our own sections go to everyone once, while the mesh is small enough for that.
        let isDirect = table.liveCount <= config.directSectionMembersMax
        if isDirect {
            let own = dissemination.subjects().filter(isSection).compactMap(text)
            for payload in payloads(of: own) {
                for peer in peers { send(payload, to: peer, into: &effects) }
            }
            dissemination.spend(isSection)
        }
        var targets = peers
        random.shuffle(&targets)
        for peer in targets.prefix(config.gossipFanout) {
            guard !dissemination.isEmpty else { return }
            let news = takeNews(bytesMax: config.payloadBytesMax - 1, withSections: !isDirect)
            guard !news.isEmpty else { return }
            send(Message.gossip(news: news).encoded(), to: peer, into: &effects)
        }
    }

    private func isSection(_ subject: Dissemination.Subject) -> Bool {
        if case .section = subject { true } else { false }
    }

    /// The least sent news that fits, counted as sent. After a few pieces that do not fit nothing more is tried.
    private mutating func takeNews(bytesMax: Int, withSections: Bool) -> [News] {
        var taken: [News] = []
        var bytesLeft = bytesMax
        var misfits = 0
        var queue = dissemination
        queue.spend { subject in
            guard withSections || !isSection(subject) else { return false }
            // Replaced or evicted since: counts as sent, so that it leaves.
            guard let news = text(subject) else { return true }
            let size = Self.size(of: news)
            guard size <= bytesLeft else {
                misfits += 1
                return misfits > 3 || bytesLeft < 24 ? nil : false
            }
            bytesLeft -= size
            taken.append(news)
            return true
        }
        dissemination = queue
        return taken
    }

    /// What goes on the back of a ping or ack: what the peer should know of itself and of us, then other news.
    /// - Parameter withOwn: include our own record, for a peer that may not know us.
    mutating func companions(for peer: NodeID, withOwn: Bool) -> [News] {
        var news: [News] = []
        if withOwn { news.append(.rumor(rumor(about: me, withProfile: true))) }
        // Whoever is doubted hears so first, and can refute at once (Lifeguard's buddy system).
        let index = config.parts.contains(.buddies) ? table.index(of: peer) : nil
        var bytesLeft = config.companionBytesMax - Self.size(of: news)
        if let index, table.rows[index].member.state != .alive {
            let doubt = News.rumor(rumor(about: index, withProfile: false))
            // Beside a very long name it has no room; then the tables' checksums tell.
            if Self.size(of: doubt) <= bytesLeft {
                bytesLeft -= Self.size(of: doubt)
                news.append(doubt)
            }
        }
        guard !isSmall, !dissemination.isEmpty else { return news }
        return news + takeNews(bytesMax: bytesLeft, withSections: false)
    }

    /// Our own record, straight to someone who believes otherwise.
    mutating func introduce(to source: Source, into effects: inout [GossipEffect]) {
        tell(source, about: me, into: &effects)
    }

    /// What we hold of a member, with its signature.
    mutating func tell(_ source: Source, about index: Int, into effects: inout [GossipEffect]) {
        let message = Message.gossip(news: [.rumor(rumor(about: index, withProfile: true))])
        send(message.encoded(), to: source, into: &effects)
    }

    // MARK: - Text

    func rumor(about index: Int, withProfile: Bool) -> Rumor {
        let member = table.rows[index].member
        return Rumor(
            id: member.id, incarnation: member.incarnation, state: member.state,
            isPersonal: member.state == .suspect && hasAccused(index),
            profile: withProfile
                ? Rumor.Profile(name: member.name, endpoint: member.endpoint, signature: table.rows[index].signature)
                : nil)
    }

    func news(_ signed: MemberRow.SignedSection, as section: SectionID, of owner: NodeID) -> News {
        .section(
            SectionNews(
                owner: owner, section: section, stamp: signed.section.stamp, bytes: signed.section.bytes,
                signature: signed.signature))
    }

    /// What we hold now about a subject; nil if it is gone.
    private func text(_ subject: Dissemination.Subject) -> News? {
        switch subject {
        case .member(let id):
            // An accusation needs no address; everything else may be the first that someone hears of the member.
            guard let index = table.index(of: id) else { return nil }
            return .rumor(rumor(about: index, withProfile: table.rows[index].member.state != .suspect))
        case .section(let section, let owner):
            guard let index = table.index(of: owner), let signed = table.rows[index].signed(section) else { return nil }
            // Its owner tells everyone something newer in person meanwhile.
            guard signed.section.stamp == table.rows[index].section(section)?.stamp else { return nil }
            return news(signed, as: section, of: owner)
        }
    }

    static func size(of news: News) -> Int {
        var writer = ByteWriter()
        writer.write(news)
        return writer.count
    }

    static func size(of news: [News]) -> Int { news.reduce(0) { $0 + size(of: $1) } }

    /// Packs news into as few gossip payloads as its order allows.
    func payloads(of news: [News]) -> [[UInt8]] {
        var payloads: [[UInt8]] = []
        var writer = ByteWriter()
        for item in news {
            let size = Self.size(of: item)
            if writer.count > 1, writer.count + size > config.payloadBytesMax {
                payloads.append(writer.bytes)
                writer = ByteWriter()
            }
            if writer.count == 0 { writer.write(MessageKind.gossip.rawValue) }
            writer.write(item)
        }
        if writer.count > 1 { payloads.append(writer.bytes) }
        return payloads
    }
}
