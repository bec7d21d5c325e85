import Primitives

extension Membership {
    /// Traps if the state contradicts itself. Tests and the simulator call it after every step.
    package func checkInvariants() {
        let rows = table.rows
        precondition(rows.count <= config.membersMax, "\(rows.count) members exceed \(config.membersMax)")
        for (before, after) in zip(rows, rows.dropFirst()) {
            precondition(before.member.id < after.member.id, "members out of order at \(after.member.id)")
        }
        precondition(table.liveCount == rows.count { $0.member.state.isLive }, "live count \(table.liveCount) is wrong")
        precondition(table.aliveCount == rows.count { $0.member.state == .alive }, "alive count is wrong")
        precondition(table.deadCount == rows.count { $0.member.state == .dead }, "dead count is wrong")
        for row in rows {
            check(row)
            precondition(
                !row.isAttended || table.attended.contains(row.member.id), "nobody attends to \(row.member.id)")
        }
        precondition(zip(table.attended, table.attended.dropFirst()).allSatisfy { $0 < $1 }, "attended out of order")
        precondition(table.attended.count <= rows.count, "\(table.attended.count) are attended of \(rows.count)")
        precondition(!rows.contains { isExpelled($0.member.id) }, "an expelled member is in the table")
        precondition(expelled.count <= Self.expelledMax, "\(expelled.count) members are expelled")
        let own = rows[me]
        precondition(own.member.state == (hasLeft ? .left : .alive), "we hold ourselves \(own.member.state)")
        precondition(own.probe == nil && own.suspicion == nil, "we probe or suspect ourselves")
        precondition(
            own.sections.allSatisfy { $0.section.version <= lastVersion },
            "a section of ours is beyond version \(lastVersion)")
        precondition(
            unsigned.map(\.told.section)
                == own.sections.filter { $0.signed?.section.stamp != $0.section.stamp }.map(\.id),
            "who is to be told what is not what was published")
        precondition(relays.count <= config.relaysMax, "\(relays.count) relays exceed \(config.relaysMax)")
        precondition(
            dissemination.count <= rows.count * (1 + Section.countMax), "\(dissemination.count) pieces of news wait")
        precondition((0...config.localHealthMax).contains(health.score), "local health \(health.score) is out of range")
        precondition(takesPart || nextDeadline == .distantFuture, "a member that left wants to be woken")
        if let cachedChecksum {
            var copy = self
            copy.cachedChecksum = nil
            precondition(copy.checksum == cachedChecksum, "the table changed behind its checksum")
        }
    }

    private func check(_ row: MemberRow) {
        let member = row.member
        precondition(row.signature.count == Notary.signatureBytes, "what \(member.id) says of itself is not signed")
        precondition(member.incarnation.bootEpoch >= 1, "member \(member.id) has no boot epoch")
        precondition(
            (row.suspicion != nil) == (member.state == .suspect), "countdown of \(member.id), \(member.state)")
        precondition(row.probe == nil || member.state.isLive, "member \(member.id) is \(member.state) and probed")
        precondition(row.sections.count <= Section.countMax, "member \(member.id) has \(row.sections.count) sections")
        precondition(
            row.sections.allSatisfy { $0.section.bootEpoch >= member.incarnation.bootEpoch },
            "member \(member.id) has sections of an earlier life")
        for owned in row.sections {
            guard let signed = owned.signed else { continue }
            precondition(
                signed.section.stamp <= owned.section.stamp, "signed content of \(member.id) is ahead of the newest")
            precondition(signed.signature.count == Notary.signatureBytes, "a section of \(member.id) is not signed")
        }
        for (before, after) in zip(row.sections, row.sections.dropFirst()) {
            precondition(before.id < after.id, "sections of \(member.id) out of order")
        }
        if let probe = row.probe {
            precondition(probe.proxies.count <= config.indirectProbes, "\(probe.proxies.count) proxies asked")
            precondition(probe.owing.allSatisfy(probe.proxies.contains), "someone owes an answer and was not asked")
        }
        if let suspicion = row.suspicion {
            precondition(
                zip(suspicion.accusers, suspicion.accusers.dropFirst()).allSatisfy { $0 < $1 }, "accusers out of order")
            precondition(!suspicion.accusers.contains(member.id), "member \(member.id) accuses itself")
        }
    }
}
