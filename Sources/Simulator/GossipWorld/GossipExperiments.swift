import Gossip
import Primitives

/// Experiments on membership alone: each builds worlds from seeds, troubles them, and returns what it measured.
package enum GossipExperiments {
    /// A mesh that has found itself.
    package static func makeMesh(_ count: Int, seed: UInt64, profile: GossipProfile = .ours) -> GossipWorld {
        var world = GossipWorld(count: count, seed: seed, config: profile.config)
        world.recordsBeliefs = false
        let span = world.run(atMost: .seconds(120), every: .milliseconds(500)) { $0.agrees }
        precondition(span != nil, "\(count) members of seed \(seed) did not find each other")
        // News of the beginning runs out, and every pair that is going to has met.
        world.run(.seconds(10))
        world.recordsBeliefs = true
        world.resetTraffic()
        return world
    }

    /// Kills one member after another; what counts is when every survivor has declared it dead.
    package static func crashes(
        members: Int, kills: Int, seed: UInt64 = 1, profile: GossipProfile = .ours
    ) -> GossipFigure {
        var spans: [Duration] = []
        var first: [Duration] = []
        var missed = 0
        var random = SeededRandom(seed: seed)
        var world = makeMesh(members, seed: seed, profile: profile)
        for _ in 0..<kills {
            world.run(random.duration(in: .seconds(1)...Duration.seconds(3)))
            world.forgetBeliefs()
            let victim = random.below(members)
            let killedAt = world.now
            world.crash(victim)
            world.run(members <= 8 ? .seconds(6) : .seconds(40))
            let known = world.declaredDead(victim)
            let seen = (0..<members).compactMap { known[$0] }.map { $0 - killedAt }
            missed += members - 1 - seen.count
            spans += seen
            if let earliest = seen.min() { first.append(earliest) }
            world.restart(victim)
            world.run(.seconds(5))
        }
        let firsts = GossipFigure.spread(first, unit: "first_seconds").dropFirst().prefix(2)
        return GossipFigure(
            "crash", members: members, profile: profile,
            values: GossipFigure.spread(spans) + firsts + [("missed", Double(missed))])
    }

    /// Bytes that an idle member sends in a second, sealing included.
    package static func idle(members: Int, seconds: Int = 60, seed: UInt64 = 1) -> GossipFigure {
        var world = makeMesh(members, seed: seed)
        world.run(.seconds(10))
        world.resetTraffic()
        world.run(.seconds(seconds))
        return GossipFigure(
            "idle", members: members, values: [("bytes_per_second", world.bytesPerSecond(over: .seconds(seconds)))])
    }

    /// How many rounds of gossip pass until everybody has heard a piece of news.
    package static func dissemination(
        members: Int, lossPercent: Int, pieces: Int, seed: UInt64 = 1
    ) -> GossipFigure {
        var world = makeMesh(members, seed: seed)
        world.lossPercent = lossPercent
        world.recordsArrivals = true
        var spans: [Duration] = []
        var missed = 0
        for piece in 0..<pieces {
            world.forgetBeliefs()
            let owner = piece * 37 % members
            let start = world.now
            world.input(owner) { core, now, _ in
                core.publish(
                    SectionID(value: 9), bytes: [UInt8](repeating: UInt8(truncatingIfNeeded: piece), count: 16),
                    now: now)
            }
            world.run(.seconds(8))
            let heard = world.arrivals.filter { $0.subject == owner }.map { $0.at - start }
            missed += members - 1 - heard.count
            spans += heard
        }
        let interval = GossipConfig().gossipInterval.inSeconds
        let rounds = GossipFigure.spread(spans).map { name, value in
            name == "samples"
                ? (name, value) : (name.replacing(unit: "seconds", by: "rounds"), (value / interval).rounded(.up))
        }
        return GossipFigure(
            "dissemination", members: members,
            values: [("loss_percent", Double(lossPercent))] + rounds + [("missed", Double(missed))])
    }

    /// Everybody publishes 32 bytes every second: what it costs, and how old is what others hold.
    package static func stateGossip(members: Int, seconds: Int, seed: UInt64 = 1) -> GossipFigure {
        var world = makeMesh(members, seed: seed)
        var ages: [Duration] = []
        let warmUp = 10
        for second in 0..<(seconds + warmUp) {
            if second == warmUp { world.resetTraffic() }
            for step in 0..<20 {
                for owner in stride(from: step, to: members, by: 20) {
                    publishClock(of: owner, in: &world)
                }
                world.run(.milliseconds(50))
            }
            guard second >= warmUp else { continue }
            for observer in stride(from: second % 7, to: members, by: max(1, members / 25)) {
                ages += agesHeld(by: observer, in: world)
            }
        }
        let rate = world.bytesPerSecond(over: .seconds(seconds))
        let floor = Double((members - 1) * 32)
        return GossipFigure(
            "state", members: members,
            values: [("bytes_per_second", rate), ("bar_bytes_per_second", 1.5 * floor + 400)]
                + GossipFigure.spread(ages, unit: "age_seconds"))
    }

    private static func publishClock(of owner: Int, in world: inout GossipWorld) {
        world.input(owner) { core, now, _ in
            var writer = ByteWriter()
            writer.write(Int64(now.nanoseconds))
            writer.writeRaw(repeatElement(UInt8(0), count: 24))
            core.publish(SectionID(value: 2), bytes: writer.bytes, now: now)
        }
    }

    private static func agesHeld(by observer: Int, in world: GossipWorld) -> [Duration] {
        (0..<world.nodes.count).compactMap { subject in
            guard subject != observer,
                let section = world.nodes[observer].core.section(SectionID(value: 2), of: GossipWorld.id(subject))
            else { return nil }
            var reader = ByteReader(section.bytes)
            guard let published = try? reader.readInt64() else { return nil }
            return world.now - Instant(nanoseconds: published)
        }
    }

    /// Parts the mesh in two for a span, then waits until everyone holds everyone alive again.
    package static func healing(members: Int, partedFor span: Duration, runs: Int, seed: UInt64 = 1) -> GossipFigure {
        var spans: [Duration] = []
        var unhealed = 0
        for run in 0..<runs {
            var world = makeMesh(members, seed: seed + UInt64(run))
            world.recordsBeliefs = false
            world.part { $0 * 5 / members < 2 ? 0 : 1 }
            world.run(span)
            world.heal()
            if let healed = world.run(atMost: .seconds(120), every: .milliseconds(50), until: { $0.agrees }) {
                spans.append(healed)
            } else {
                unhealed += 1
            }
        }
        return GossipFigure(
            "heal", members: members,
            values: [("parted_seconds", span.inSeconds)] + GossipFigure.spread(spans) + [("unhealed", Double(unhealed))]
        )
    }

    /// Members on a plane of round trips of up to 140 ms, each behind an access link of its own: how far their estimates
    /// are off, of all pairs, after an hour of nothing but ordinary probes.
    package static func coordinates(members: Int, seed: UInt64 = 1) -> GossipFigure {
        var world = makeMesh(members, seed: seed)
        var random = SeededRandom(seed: seed)
        let places = (0..<members).map { _ in
            (x: Double(random.below(50_000)), y: Double(random.below(50_000)), access: Double(200 + random.below(3000)))
        }
        world.delays = (0..<members * members).map { pair in
            let (a, b) = (places[pair / members], places[pair % members])
            let (x, y) = (a.x - b.x, a.y - b.y)
            return .microseconds(Int64((x * x + y * y).squareRoot() + a.access + b.access))
        }
        world.run(.seconds(3600))
        var errors: [Double] = []
        for a in 0..<members {
            for b in 0..<a {
                guard let one = world.nodes[0].core.coordinate(of: GossipWorld.id(a)),
                    let other = world.nodes[0].core.coordinate(of: GossipWorld.id(b))
                else { continue }
                let truth = (world.delays[a * members + b] + world.delays[b * members + a]).inSeconds
                errors.append(abs(one.roundTrip(to: other).inSeconds - truth) / truth * 100)
            }
        }
        errors.sort()
        return GossipFigure(
            "vivaldi", members: members,
            values: [
                ("pairs", Double(errors.count)),
                ("p50_error_percent", errors.isEmpty ? .infinity : errors[errors.count / 2]),
                ("p90_error_percent", errors.isEmpty ? .infinity : errors[errors.count * 9 / 10]),
            ])
    }
}

extension String {
    fileprivate func replacing(unit: String, by other: String) -> String {
        hasSuffix(unit) ? String(dropLast(unit.count)) + other : self
    }
}
