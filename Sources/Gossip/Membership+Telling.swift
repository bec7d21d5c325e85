import Primitives

// Sections that never stand still, told by their owner to everyone in person.
//
// A signature of 64 bytes is more than the 58 that a datagram costs anyway: what changes every second is cheaper told
// by its owner to each member than signed and passed on. Every telling carries the newest content, so that a slower pace
// costs age and not content. In a small mesh pings and acks take along what fits.
//
//     publish --- stood for 5 s before? --- yes: signed, spread like other news, covered by checksums and digests
//                                      \--- no: told in person; signed once it stands, or its signed content is old
//
// What is signed later is told in person too, since everybody holds its content already, or nearly everybody.

extension Membership {
    /// Replaces one of our sections; everyone learns of it. Goes out with the next `tick`.
    package mutating func publish(_ section: SectionID, bytes: [UInt8], now: Instant) {
        guard takesPart else { return }
        let before = table.rows[me].section(section)
        let stamp = SectionStamp(bootEpoch: incarnation.bootEpoch, version: lastVersion + 1)
        if let before, now - before.receivedAt < config.sectionSettleTime {
            storeOwn(section, stamp: stamp, bytes: bytes, isSigned: false, now: now)
            tellAt = min(tellAt, max(now, lastToldAt + config.gossipInterval))
        } else {
            storeOwn(section, stamp: stamp, bytes: bytes, isSigned: true, now: now)
        }
        updateDeadline()
    }

    mutating func storeOwn(
        _ section: SectionID, stamp: SectionStamp, bytes: [UInt8], isSigned: Bool, now: Instant
    ) {
        let content = Section(bootEpoch: stamp.bootEpoch, version: stamp.version, bytes: bytes, receivedAt: now)
        let signature = isSigned ? notary.sign(content, as: section, of: id) : nil
        let gain = table.rows[me].store(content, signature: signature, as: section)
        precondition(gain == .content, "section \(section.value) is not newer, or a ninth section")
        lastVersion = max(lastVersion, stamp.version)
        if isSigned {
            cachedChecksum = nil
            spread(section, of: id, now: now)
        }
        reviewUnsigned()
    }

    /// Call after one of our own sections changed.
    private mutating func reviewUnsigned() {
        unsigned = table.rows[me].sections.compactMap { owned in
            let signed = owned.signed?.section
            guard signed.map({ $0.stamp < owned.section.stamp }) ?? true else { return nil }
            let standing = owned.section.receivedAt + config.sectionSettleTime
            let outdated = signed.map { $0.receivedAt + config.sectionSignatureAgeMax } ?? standing
            return UnsignedSection(
                told: ToldSection(section: owned.id, stamp: owned.section.stamp, bytes: owned.section.bytes),
                publishedAt: owned.section.receivedAt, signAt: min(standing, outdated))
        }
    }

    // MARK: - Time

    mutating func tickTelling(now: Instant, into effects: inout [GossipEffect]) {
        signDue(now: now, into: &effects)
        guard tellAt <= now else { return }
        tellAt = .distantFuture
        guard let newest = unsigned.map(\.publishedAt).max() else { return }
        lastToldAt = now
        // What waits longer than its turn hopes to be replaced by something fresh, but not for ever.
        let interval = tellingInterval
        let patience = now - newest <= config.gossipInterval ? .zero : interval / 2
        var payloads: (version: UInt64, list: [[UInt8]])?
        for index in table.indices where index != me && table.rows[index].member.state.isLive {
            let told = table.rows[index].telling.version
            guard unsigned.contains(where: { $0.told.stamp.version > told }) else { continue }
            let allowedAt = table.rows[index].telling.allowedAt(interval: interval)
            guard allowedAt + patience <= now else {
                tellAt = min(tellAt, max(allowedAt + interval / 2, now + config.gossipInterval))
                continue
            }
            if payloads?.version != told { payloads = (told, self.payloads(of: owed(beyond: told))) }
            for payload in payloads?.list ?? [] { send(payload, to: index, into: &effects) }
            table.rows[index].telling.spend(interval, upTo: lastVersion, now: now)
        }
    }

    /// What others hold of these can be passed on from now on.
    private mutating func signDue(now: Instant, into effects: inout [GossipEffect]) {
        let due = unsigned.filter { $0.signAt <= now }
        guard !due.isEmpty else { return }
        let news = due.compactMap { due -> News? in
            guard let content = table.rows[me].section(due.told.section) else { return nil }
            let signature = notary.sign(content, as: due.told.section, of: id)
            // Its age counts from now: that of the content is at most the settling time more.
            let dated = Section(
                bootEpoch: content.bootEpoch, version: content.version, bytes: content.bytes, receivedAt: now)
            _ = table.rows[me].store(dated, signature: signature, as: due.told.section)
            return self.news(.init(section: content, signature: signature), as: due.told.section, of: id)
        }
        cachedChecksum = nil
        reviewUnsigned()
        for payload in payloads(of: news) {
            for index in table.indices where index != me && table.rows[index].member.state.isLive {
                send(payload, to: index, into: &effects)
            }
        }
    }

    /// When unsigned sections want a tick.
    var tellingDeadline: Instant { unsigned.reduce(tellAt) { min($0, $1.signAt) } }

    // MARK: - Rides

    /// What a ping or an ack to this peer takes along of what it is owed: all of it or nothing.
    mutating func rides(to peer: NodeID, beside news: [News]) -> [News] {
        guard isSmall, !unsigned.isEmpty, let index = table.index(of: peer), table.rows[index].member.state.isLive
        else {
            return []
        }
        let owed = owed(beyond: table.rows[index].telling.version)
        guard !owed.isEmpty, Self.size(of: news) + Self.size(of: owed) <= config.companionBytesMax else { return [] }
        table.rows[index].telling.ride(upTo: lastVersion)
        return owed
    }

    private func owed(beyond version: UInt64) -> [News] {
        unsigned.filter { $0.told.stamp.version > version }.map { .told($0.told) }
    }

    /// In a small mesh every peer is asked or answered each second, and what fits a probe rides on it. A mesh in which an
    /// owner no longer tells everyone all it signs has more to send than content: it takes its time.
    private var tellingInterval: Duration {
        guard table.liveCount <= config.directSectionMembersMax else { return config.tellingInterval * 3 / 2 }
        let fitsProbe = Self.size(of: unsigned.map { .told($0.told) }) <= config.companionBytesMax
        return isSmall && fitsProbe ? config.tellingInterval * 5 / 2 : config.tellingInterval
    }
}

/// One of our sections whose newest content is not signed yet.
struct UnsignedSection: Sendable {
    let told: ToldSection
    let publishedAt: Instant
    let signAt: Instant
}
