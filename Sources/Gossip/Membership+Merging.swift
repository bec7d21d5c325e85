import Primitives

// What others say: about themselves, about third parties, and about us.

extension Membership {
    /// Takes in news. Returns true if some of it was a false claim about us that our new incarnation contradicts.
    mutating func merge(_ news: [News], from source: Source, into effects: inout [GossipEffect]) -> Bool {
        var isContradicted = false
        for case .rumor(let rumor) in news {
            if rumor.id != id {
                merge(rumor, from: source, into: &effects)
            } else if contradict(rumor, now: source.now, into: &effects) {
                isContradicted = true
            }
        }
        for item in news {
            switch item {
            case .rumor: break
            // After the rumors: a section counts only under a life that is known.
            case .section(let news): merge(news, now: source.now, into: &effects)
            case .told(let told): merge(told, from: source, into: &effects)
            case .coordinate(let place):
                if let index = table.index(of: source.peer) { table.rows[index].coordinate = place }
            }
        }
        return isContradicted
    }

    private mutating func merge(_ rumor: Rumor, from source: Source, into effects: inout [GossipEffect]) {
        guard let index = table.index(of: rumor.id) else {
            learn(rumor, from: source, into: &effects)
            return
        }
        let held = table.rows[index].member
        let age = Precedence.Age(of: rumor.incarnation, comparedTo: held.incarnation)
        // Others' verdict does not count against our own ears; the member, told by our next ping, refutes it.
        let isPatient = config.parts.contains(.patience)
        if rumor.state == .dead, age == .equal, isPatient, isHeardUnderSuspicion(index) { return }
        // A member that was restored from an older disk is shown its own later word, and goes past it.
        if age == .older, source.peer == rumor.id { tell(source, about: index, into: &effects) }
        if var state = Precedence.resolve(held: held.state, claim: rumor.state, age: age) {
            let isOwnWord = age == .newer || state == .left
            guard !isOwnWord || isSigned(rumor) else { return }
            if rumor.state == .dead, !config.parts.contains(.secondThoughts) { state = .dead }
            if let profile = rumor.profile, isOwnWord {
                table.rows[index].member.name = profile.name
                table.rows[index].member.endpoint = profile.endpoint
                table.rows[index].signature = profile.signature
            }
            change(index, to: state, at: rumor.incarnation, now: source.now, into: &effects)
            // A new suspect is probed by everyone at once: accusers see it twice, bystanders form their own view.
            if state == .suspect, table.rows[index].probe == nil, config.parts.contains(.lastChances) {
                startProbe(of: index, isUrgent: isSmall, now: source.now, into: &effects)
            }
            spread(index, isUrgent: state != .suspect || isSmall, now: source.now)
        }
        if rumor.isPersonal, source.peer != rumor.id, table.rows[index].member.incarnation == rumor.incarnation {
            _ = addAccuser(source.peer, to: index)
        }
    }

    private mutating func isSigned(_ rumor: Rumor) -> Bool {
        let isSigned = notary.isSigned(rumor)
        if !isSigned { counters.unsignedClaims += 1 }
        return isSigned
    }

    /// A member we did not know. Without name and address there is nothing to hold on to.
    private mutating func learn(_ rumor: Rumor, from source: Source, into effects: inout [GossipEffect]) {
        guard let profile = rumor.profile, !isExpelled(rumor.id), isSigned(rumor) else { return }
        let state: MemberState = rumor.state == .suspect ? .alive : rumor.state
        let member = Member(
            id: rumor.id, name: profile.name, endpoint: profile.endpoint, incarnation: rumor.incarnation, state: state)
        guard let index = table.insert(member, signature: profile.signature, now: source.now) else {
            counters.overflows += 1
            return
        }
        cachedChecksum = nil
        if source.peer == rumor.id { table.rows[index].heardAt = source.now }
        if (1..<config.membersMax).contains(probeOrder.count) {
            probeOrder.insert(rumor.id, at: random.below(probeOrder.count + 1))
        }
        effects.append(.memberChanged(member))
        reviewSuspicions()
        reviewContacts()
        spread(index, isUrgent: false, now: source.now)
        if state.isLive { repeatOwnSections(now: source.now) }
        if rumor.state == .suspect { merge(rumor, from: source, into: &effects) }
    }

    /// The one place where a member's state or incarnation changes.
    mutating func change(
        _ index: Int, to state: MemberState, at incarnation: Incarnation, now: Instant,
        into effects: inout [GossipEffect]
    ) {
        let before = table.rows[index].member
        precondition(incarnation >= before.incarnation, "incarnation \(incarnation) is before \(before.incarnation)")
        table.setState(state, of: index)
        table.rows[index].member.incarnation = incarnation
        table.rows[index].changedAt = now
        table.rows[index].suspicion = nil
        if state == .suspect {
            table.begin(Suspicion(startedAt: now), of: index)
            counters.suspicions += 1
        }
        if !state.isLive { table.rows[index].endProbe() }
        if state == .alive, before.state != .alive { table.rows[index].nextProbeAt = now }
        cachedChecksum = nil
        reviewSuspicions()
        reviewContacts()
        effects.append(.memberChanged(table.rows[index].member))
        if index != me, state.isLive, !before.state.isLive || !incarnation.isOfSameLife(as: before.incarnation) {
            table.rows[index].telling.forget()
            repeatOwnSections(now: now)
        }
        guard !incarnation.isOfSameLife(as: before.incarnation), index != me else { return }
        // What an earlier life published no longer describes it; its owner may not even remember. Two lives of one epoch
        // count their versions alike, so that nothing tells whose a section is.
        let isSameEpoch = incarnation.bootEpoch == before.incarnation.bootEpoch
        for section in table.rows[index].dropSections(before: incarnation.bootEpoch + (isSameEpoch ? 1 : 0)) {
            effects.append(.sectionChanged(section, of: before.id))
        }
    }

    // MARK: - Claims about us

    /// Someone holds a word of ours that we do not remember, or doubts one that we do. Returns true if it is now refuted.
    ///
    /// A word that carries our signature and is ahead of us comes from a disk before it was restored to an older state, or
    /// from another running copy; a new epoch answers both, and another life of our own epoch, whichever came first. A
    /// life that goes on overtaking us is no memory, but a copy. Without our signature it is a lie, and not answered.
    private mutating func contradict(_ rumor: Rumor, now: Instant, into effects: inout [GossipEffect]) -> Bool {
        let own = incarnation
        guard rumor.incarnation != own else { return refute(rumor.state, now: now, into: &effects) }
        let isOtherLife = rumor.incarnation.bootEpoch == own.bootEpoch && rumor.incarnation.nonce != own.nonce
        guard rumor.incarnation > own || isOtherLife, isSigned(rumor) else { return false }
        if rumor.incarnation > own, isFencedOff(by: rumor.incarnation) {
            isFenced = true
            nextDeadline = .distantFuture
            effects.append(.fenced)
            return false
        }
        renew(to: afterEpoch(rumor.incarnation.bootEpoch), now: now, into: &effects)
        counters.refutations += 1
        return true
    }

    /// Someone doubts our present incarnation: the next one answers (SWIM §4.2).
    mutating func refute(_ state: MemberState, now: Instant, into effects: inout [GossipEffect]) -> Bool {
        guard state != .alive else { return false }
        if state == .suspect { health.worsen() }
        renew(to: incarnation.next, now: now, into: &effects)
        counters.refutations += 1
        return true
    }

    /// The first incarnation of ours beyond an epoch that someone else holds.
    func afterEpoch(_ bootEpoch: UInt64) -> Incarnation {
        Incarnation(bootEpoch: bootEpoch, nonce: bootNonce, counter: 0).inNextEpoch
    }

    /// Counts how often the same other life went past an answer of ours. Of two running copies the one with the lower
    /// nonce gives way: both come to the same answer, though neither can know which of them was meant to be there.
    private mutating func isFencedOff(by claim: Incarnation) -> Bool {
        guard claim.nonce != bootNonce else { return false }
        if rival?.nonce == claim.nonce {
            rival?.overtakings += 1
        } else {
            rival = Rival(nonce: claim.nonce)
        }
        return rival.map { $0.overtakings >= Rival.overtakingsMax && $0.nonce > bootNonce } ?? false
    }

    /// Takes a newer incarnation of our own and announces it. A new epoch takes our sections along.
    mutating func renew(to incarnation: Incarnation, now: Instant, into effects: inout [GossipEffect]) {
        let before = self.incarnation
        guard incarnation > before else { return }
        change(me, to: .alive, at: incarnation, now: now, into: &effects)
        table.rows[me].signature = notary.sign(table.rows[me].member)
        spread(me, isUrgent: true, now: now)
        guard incarnation.bootEpoch > before.bootEpoch else { return }
        for owned in table.rows[me].sections {
            let stamp = SectionStamp(bootEpoch: incarnation.bootEpoch, version: owned.section.version)
            storeOwn(owned.id, stamp: stamp, bytes: owned.section.bytes, isSigned: true, now: now)
        }
    }
}

/// Another life under our id that is ahead of us.
struct Rival: Sendable {
    let nonce: UInt32
    /// How often it was ahead again after we had answered. What an earlier life left behind runs out at once; what goes
    /// on is running.
    var overtakings = 0

    static let overtakingsMax = 3
}
