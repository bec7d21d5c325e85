import ArgumentParser
import Primitives
import Simulator

/// `meshnode bench gossip`: membership measured on virtual time, in worlds of gossip alone. docs/GOSSIP.md has the bars.
struct BenchGossip: ParsableCommand {
    enum Part: String, CaseIterable, ExpressibleByArgument {
        case crash, idle, state, dissemination, heal, links, pausing, grid, vivaldi, planes
    }

    static let configuration = CommandConfiguration(
        commandName: "gossip", abstract: "Failure detection, false alarms, traffic and healing at 5 to 500 nodes.",
        discussion: """
            Without parts: all but 'grid' and 'pausing', which take minutes. 'grid' is Lifeguard's experiment with plain SWIM, \
            Lifeguard and ours side by side, a line a cell and a sum for each. Figures depend on the seed alone, but for \
            'planes': many agents' gossip in this process, on loopback, in real time.
            """)

    @Argument(help: "What to measure: \(Part.allCases.map(\.rawValue).joined(separator: ", ")).")
    var parts: [Part] = [.crash, .idle, .state, .dissemination, .heal, .links, .vivaldi, .planes]

    @Option(help: "Largest mesh; smaller sizes are measured too.")
    var members = 500

    @Option(help: "Virtual hours of 'pausing'.")
    var hours = 10

    @Option(help: "Length of the partition of 'heal', in minutes.")
    var minutes = 1

    @Option(parsing: .upToNextOption, help: "Of 'grid': how many members hold their messages, one or more of them.")
    var anomalous = [1, 4, 8, 16, 32]

    @Option(parsing: .upToNextOption, help: "Of 'grid': ours, swim, lifeguard.")
    var profiles = GossipProfile.allCases

    @Option(help: "Planes of 'planes'.")
    var planes = 30

    @Option(help: "Seed of the run.")
    var seed: UInt64 = 1

    func validate() throws {
        guard 5...1000 ~= members else { throw ValidationError("--members takes 5 to 1000") }
        guard anomalous.allSatisfy({ 1...127 ~= $0 }) else { throw ValidationError("--anomalous takes 1 to 127") }
        guard 3...1000 ~= planes else { throw ValidationError("--planes takes 3 to 1000") }
        guard 1...10_000 ~= hours else { throw ValidationError("--hours takes 1 to 10,000") }
        guard 1...100_000 ~= minutes else { throw ValidationError("--minutes takes 1 to 100,000") }
    }

    func run() throws {
        for part in parts {
            switch part {
            case .grid: try runGrid()
            case .pausing:
                var trial = PausingMembers()
                trial.seed = seed
                try write(trial.run(hours: hours))
            case .links:
                for trouble in LinkTrouble.allCases { try write(trouble.run(seed: seed)) }
            case .vivaldi: try write(GossipExperiments.coordinates(members: min(members, 50), seed: seed))
            case .planes: try runPlanes()
            case .crash, .idle, .state, .dissemination, .heal:
                for count in [5, 50, 128, 500] where count <= members { try measure(part, count) }
            }
        }
    }

    private func measure(_ part: Part, _ count: Int) throws {
        switch part {
        case .crash: try write(GossipExperiments.crashes(members: count, kills: count == 5 ? 200 : 10, seed: seed))
        case .idle: try write(GossipExperiments.idle(members: count, seed: seed))
        case .state:
            try write(GossipExperiments.stateGossip(members: count, seconds: count > 100 ? 10 : 60, seed: seed))
        case .dissemination:
            for loss in [0, 20] {
                try write(
                    GossipExperiments.dissemination(members: count, lossPercent: loss, pieces: 20, seed: seed))
            }
        case .heal:
            try write(
                GossipExperiments.healing(
                    members: count, partedFor: .seconds(60 * minutes), runs: count > 100 ? 2 : 20, seed: seed))
        case .links, .pausing, .grid, .vivaldi, .planes: break
        }
    }

    private func runPlanes() throws {
        let figure = try GossipPlanes.run(planes)
        let dead = figure.deadSeconds.sorted()
        let left = figure.leftSeconds.sorted()
        try write(
            GossipFigure(
                "planes", members: planes,
                values: [
                    ("formed_seconds", figure.formedSeconds ?? .infinity),
                    ("idle_bytes_per_second", figure.idleBytesPerSecond),
                    ("dead_known_by", Double(dead.count)), ("dead_max_seconds", dead.last ?? .infinity),
                    ("left_known_by", Double(left.count)), ("left_max_seconds", left.last ?? .infinity),
                    ("false_verdicts", Double(figure.falseVerdicts)),
                ]))
    }

    private func runGrid() throws {
        var grid = LifeguardGrid()
        grid.seed = seed
        grid.anomalous = anomalous
        for profile in profiles {
            let mesh = grid.makeMesh(profile)
            var sum = LifeguardGrid.Outcome()
            for cell in grid.cells {
                let outcome = grid.play(cell, in: mesh)
                sum.add(outcome)
                try write(outcome.figure(of: cell, members: grid.members, profile: profile))
            }
            try write(sum.figure(of: nil, members: grid.members, profile: profile))
        }
    }

    private func write(_ figure: GossipFigure) throws { try JSONLine.write(Line(figure: figure)) }

    private struct Line: Encodable {
        let figure: GossipFigure

        private struct Key: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        func encode(to encoder: any Encoder) throws {
            var line = encoder.container(keyedBy: Key.self)
            try line.encode("gossip", forKey: Key(stringValue: "bench"))
            try line.encode(figure.measure, forKey: Key(stringValue: "measure"))
            try line.encode(figure.members, forKey: Key(stringValue: "members"))
            try line.encode(figure.profile, forKey: Key(stringValue: "profile"))
            for (name, value) in figure.values where value.isFinite {
                try line.encode(value, forKey: Key(stringValue: name))
            }
        }
    }
}

extension GossipProfile: ExpressibleByArgument {}
