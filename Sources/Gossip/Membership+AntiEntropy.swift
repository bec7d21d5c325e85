import Primitives

// Repair of whatever gossip missed (Demers et al. 1987, §1.3): an ack carries a checksum of the answering table; where it
// differs from ours we offer a digest, in pages of ids; each side sends what it has newer.
//
//     prober                        probed
//       | ---- ping ------------------> |
//       | <--- ack (checksum) --------- |   differs
//       | ---- offer: what I hold ----> |
//       | <--- news, newer there ------ |
//       | <--- request: what I lack --- |
//       | ---- news, newer here ------> |

extension Membership {
    /// Of everything that converges: incarnations, verdicts and signed sections. Suspicions come and go on their own, and
    /// so does what owners tell in person.
    var checksum: UInt64 {
        mutating get {
            if let cachedChecksum { return cachedChecksum }
            var sum: UInt64 = 0x6A09_E667_F3BC_C908
            for row in table.rows {
                Self.mix(row.member.id.high, into: &sum)
                Self.mix(row.member.id.low, into: &sum)
                Self.mix(row.member.incarnation.bootEpoch, into: &sum)
                let state = UInt64(settled(row.member.state).rawValue)
                Self.mix(UInt64(row.member.incarnation.counter) << 8 | state, into: &sum)
                for owned in row.sections {
                    guard let stamp = owned.signed?.section.stamp else { continue }
                    Self.mix(stamp.bootEpoch, into: &sum)
                    Self.mix(stamp.version << 8 | UInt64(owned.id.value), into: &sum)
                }
            }
            cachedChecksum = sum
            return sum
        }
    }

    /// One step of SplitMix64, which changes every bit with every bit.
    private static func mix(_ word: UInt64, into sum: inout UInt64) {
        sum = (sum ^ word) &+ 0x9E37_79B9_7F4A_7C15
        sum = (sum ^ (sum >> 30)) &* 0xBF58_476D_1CE4_E5B9
        sum = (sum ^ (sum >> 27)) &* 0x94D0_49BB_1331_11EB
        sum ^= sum >> 31
    }

    private func settled(_ state: MemberState) -> MemberState { state == .suspect ? .alive : state }

    mutating func offerDigest(to source: Source, into effects: inout [GossipEffect]) {
        guard nextDigestAt <= source.now else { return }
        let start = table.lowerBound(of: digestCursor)
        let offered = send(
            table.rows[start...].map(digestEntry), for: .offer, after: start == 0 ? nil : digestCursor,
            pagesMax: config.digestPagesMax, to: source, into: &effects)
        let next = start + offered
        digestCursor = next < table.rows.count ? table.rows[next].member.id : NodeID(high: 0, low: 0)
        nextDigestAt = source.now + config.antiEntropyInterval * max(8, offered) / 8
    }

    mutating func handle(_ digest: Digest, from source: Source, into effects: inout [GossipEffect]) {
        var lacking: [Digest.Entry] = []
        var rumors: [News] = []
        var sections: [News] = []
        var isContradicted = false
        for entry in digest.entries {
            if entry.id == id, entry.incarnation == incarnation {
                isContradicted = refute(entry.state, now: source.now, into: &effects)
            }
            guard let index = table.index(of: entry.id) else {
                if digest.purpose == .offer { lacking.append(Self.unknownEntry(entry.id)) }
                continue
            }
            collectNewer(than: entry, at: index, &rumors, &sections)
            if digest.purpose == .offer, lacks(entry, at: index) { lacking.append(digestEntry(table.rows[index])) }
        }
        if digest.purpose == .offer { collectUnmentioned(in: digest, &rumors, &sections) }
        if isContradicted { introduce(to: source, into: &effects) }
        for payload in payloads(of: rumors + sections).prefix(config.deltaPayloadsMax) {
            send(payload, to: source, into: &effects)
        }
        if !lacking.isEmpty {
            _ = send(lacking, for: .request, pagesMax: config.digestPagesMax, to: source, into: &effects)
        }
    }

    // MARK: - Comparison

    private func collectNewer(
        than entry: Digest.Entry, at index: Int, _ rumors: inout [News], _ sections: inout [News]
    ) {
        let row = table.rows[index]
        let held = (row.member.incarnation, settled(row.member.state))
        if (entry.incarnation, settled(entry.state)) < held {
            rumors.append(.rumor(rumor(about: index, withProfile: true)))
        }
        for owned in row.sections {
            guard let signed = owned.signed else { continue }
            let theirs = entry.sections.first { $0.section == owned.id }?.stamp ?? .none
            if theirs < signed.section.stamp { sections.append(news(signed, as: owned.id, of: row.member.id)) }
        }
    }

    /// Members in the digest's range that it does not mention: the other does not know them.
    private func collectUnmentioned(in digest: Digest, _ rumors: inout [News], _ sections: inout [News]) {
        var next = digest.entries.makeIterator()
        var mentioned = next.next()
        var index = table.lowerBound(of: digest.first)
        while index < table.rows.count, table.rows[index].member.id <= digest.last {
            let member = table.rows[index].member.id
            while let entry = mentioned, entry.id < member { mentioned = next.next() }
            if mentioned?.id != member { collectNewer(than: Self.unknownEntry(member), at: index, &rumors, &sections) }
            index += 1
        }
    }

    private func lacks(_ entry: Digest.Entry, at index: Int) -> Bool {
        let row = table.rows[index]
        if row.member.id == id {
            // Someone says that we said more than we remember: let us see our signature.
            if row.member.incarnation < entry.incarnation { return true }
        } else if (row.member.incarnation, settled(row.member.state)) < (entry.incarnation, settled(entry.state)) {
            return true
        }
        return entry.sections.contains { item in
            item.stamp.bootEpoch >= row.member.incarnation.bootEpoch
                && (row.signed(item.section)?.section.stamp ?? .none) < item.stamp
        }
    }

    // MARK: - Pages

    private func digestEntry(_ row: MemberRow) -> Digest.Entry {
        Digest.Entry(
            id: row.member.id, incarnation: row.member.incarnation, state: row.member.state,
            sections: row.sections.compactMap { owned in
                owned.signed.map { Digest.SectionEntry(section: owned.id, stamp: $0.section.stamp) }
            })
    }

    /// Older than anything: incarnations begin at epoch 1.
    private static func unknownEntry(_ id: NodeID) -> Digest.Entry {
        Digest.Entry(id: id, incarnation: Incarnation(bootEpoch: 0, counter: 0), state: .alive, sections: [])
    }

    /// Sends ascending entries in pages, up to a number of them; together their ranges cover all ids from the first on.
    /// Returns how many entries went.
    private mutating func send(
        _ entries: [Digest.Entry], for purpose: Digest.Purpose, after begin: NodeID? = nil, pagesMax: Int,
        to source: Source, into effects: inout [GossipEffect]
    ) -> Int {
        let headerBytes = 2 + 2 * NodeID.byteCount
        var first = begin ?? NodeID(high: 0, low: 0)
        var page: [Digest.Entry] = []
        var size = headerBytes
        var pages = 0
        for (position, entry) in entries.enumerated() {
            var writer = ByteWriter()
            writer.write(entry)
            if size + writer.count > config.payloadBytesMax, let last = page.last?.id {
                send(Digest(purpose: purpose, first: first, last: last, entries: page), to: source, into: &effects)
                pages += 1
                guard pages < pagesMax else { return position }
                // Nothing lies between: the next page begins where this one ended, exclusive.
                first = entry.id
                page = []
                size = headerBytes
            }
            page.append(entry)
            size += writer.count
        }
        let end = NodeID(high: .max, low: .max)
        send(Digest(purpose: purpose, first: first, last: end, entries: page), to: source, into: &effects)
        return entries.count
    }

    private mutating func send(_ digest: Digest, to source: Source, into effects: inout [GossipEffect]) {
        counters.digestsSent += 1
        send(Message.digest(digest).encoded(), to: source, into: &effects)
    }
}
