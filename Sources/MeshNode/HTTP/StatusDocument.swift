import Gossip
import NodeCore
import Primitives
import Routing

/// The document behind `/mesh/v1/status` and the `status` events (docs/API.md): one view as JSON, judged at one moment.
struct StatusDocument {
    static let programVersion = "0.1.0"

    let view: ClusterView
    let now: Instant

    var json: JSONText {
        var text = JSONText()
        text.open("{")
        writeHead(&text)
        text.key("members")
        text.open("[")
        for member in view.members { write(member, &text) }
        for entry in view.unheard { write(entry, &text) }
        text.close("]")
        text.close("}")
        return text
    }

    private func writeHead(_ text: inout JSONText) {
        let consensus = view.consensus
        text.field("node", view.name)
        text.field("cluster_id", view.publicHash)
        text.field("version", Self.programVersion)
        text.field("term", consensus.term.value)
        text.field("epoch", consensus.term.value)
        text.field("primary", view.primary(at: now).map { view.member($0)?.name ?? $0.description })
        text.field("role", consensus.role.rawValue)
        text.field("commit_index", consensus.commitIndex.value)
        text.field("applied_index", consensus.appliedIndex.value)
        text.key("quorum")
        writeQuorum(&text)
        text.field("election_timeout_ms", consensus.electionTimeout.inMilliseconds)
        text.field("is_isolated", view.isIsolated)
        text.field("fresh", view.isFresh(at: now))
    }

    private func writeQuorum(_ text: inout JSONText) {
        text.open("{")
        text.field("has_quorum", view.primary(at: now) != nil)
        text.field("voters", view.consensus.voters.count)
        text.field("observers", view.consensus.observers.count)
        text.field("is_changing", view.consensus.isChanging)
        text.field("needed", view.votersNeeded)
        text.field("reachable", view.reachableVoters.count)
        text.close("}")
    }

    private func write(_ member: MemberView, _ text: inout JSONText) {
        let descriptor = member.descriptor
        text.open("{")
        text.field("name", member.name)
        text.field("id", member.id.description)
        text.field("state", Self.name(of: member.state))
        text.field("is_self", member.isSelf)
        text.field("is_primary", view.primary(at: now) == member.id)
        text.field("is_voter", member.isVoter)
        text.field("is_observer", view.consensus.observers.contains(member.id) && !member.isVoter)
        text.field("address", member.endpoint.description)
        text.field("http", descriptor.map { "\($0.servesTLS ? "https" : "http")://\($0.http)" })
        // Edge if either says so: a machine does not make itself core.
        let isEdge = view.roster.entry(of: member.id)?.isCore == false
        text.field("class", isEdge ? TrustClass.edge.rawValue : descriptor?.trustClass.rawValue)
        text.key("rank")
        if let rank = descriptor?.rank { text.value(rank) } else { text.null() }
        text.field("incarnation", member.incarnation.description)
        text.key("round_trip_ms")
        if let span = member.roundTrip { text.value(span.inSeconds * 1000) } else { text.null() }
        text.key("coordinate")
        if let place = member.coordinate { write(place, &text) } else { text.null() }
        text.key("health")
        if let health = member.health { write(health, &text) } else { text.null() }
        text.close("}")
    }

    private func write(_ unheard: Roster.Entry, _ text: inout JSONText) {
        text.open("{")
        text.field("name", unheard.name)
        text.field("id", unheard.node.description)
        text.field("state", "unheard")
        text.field("is_self", false)
        text.field("is_primary", view.primary(at: now) == unheard.node)
        let isVoter = view.consensus.voters.contains(unheard.node)
        text.field("is_voter", isVoter)
        text.field("is_observer", view.consensus.observers.contains(unheard.node) && !isVoter)
        text.field("class", (unheard.isCore ? TrustClass.core : .edge).rawValue)
        text.key("rank")
        text.value(unheard.rank)
        for field in ["address", "http", "incarnation", "round_trip_ms", "coordinate", "health"] {
            text.key(field)
            text.null()
        }
        text.close("}")
    }

    private func write(_ place: Coordinate, _ text: inout JSONText) {
        text.open("{")
        text.key("position_ms")
        text.open("[")
        for index in 0..<4 { text.value(place.position[index] / 1000) }
        text.close("]")
        text.field("height_ms", place.height / 1000)
        text.field("error", place.error)
        text.close("}")
    }

    private func write(_ health: MemberHealth, _ text: inout JSONText) {
        text.open("{")
        let age = max((now - health.receivedAt).inMilliseconds, 0)
        text.field("age_ms", age)
        if let load = health.load {
            text.field("agent_uptime_seconds", (Int64(clamping: load.clockMilliseconds) + age) / 1000)
        }
        if let vitals = health.vitals { write(vitals, &text) }
        if let load = health.load { write(load, &text) }
        writeModels(health, &text)
        text.close("}")
    }

    private func write(_ vitals: Vitals, _ text: inout JSONText) {
        text.field("machine_uptime_seconds", vitals.uptimeSeconds)
        text.field("cpu", vitals.cpuLoad)
        text.field("cores", vitals.cores)
        text.key("memory")
        writeMemory(vitals.memoryUsedBytes, vitals.memoryTotalBytes, &text)
        text.key("gpus")
        text.open("[")
        for gpu in vitals.gpus {
            text.open("{")
            text.field("name", gpu.name)
            text.key("load")
            if let load = gpu.load { text.value(load) } else { text.null() }
            text.key("memory")
            writeMemory(gpu.memoryUsedBytes, gpu.memoryTotalBytes, &text)
            text.field("source", Self.name(of: gpu.source))
            text.close("}")
        }
        text.close("]")
    }

    private func write(_ load: Load, _ text: inout JSONText) {
        text.field("running", load.running)
        text.field("queued", load.queued)
        text.field("slots", load.slots)
        text.key("backends")
        text.open("[")
        for backend in load.backends {
            text.open("{")
            text.field("name", backend.name)
            text.field("kind", String(describing: backend.kind))
            text.field("healthy", backend.isHealthy)
            text.field("slowdown", backend.slowdown)
            text.close("}")
        }
        text.close("]")
        text.field("accepting", load.isAcceptingWork)
    }

    private func writeModels(_ health: MemberHealth, _ text: inout JSONText) {
        text.key("models")
        text.open("[")
        for model in health.catalog?.models ?? [] {
            text.open("{")
            text.field("name", model.name)
            text.field("size", model.sizeBytes)
            text.field("loaded", model.isLoaded)
            text.key("decode_tokens_per_second")
            if let rate = model.decodeTokensPerSecond { text.value(rate) } else { text.null() }
            text.close("}")
        }
        text.close("]")
    }

    private func writeMemory(_ used: UInt64, _ total: UInt64, _ text: inout JSONText) {
        text.open("{")
        text.field("used", used)
        text.field("total", total)
        text.close("}")
    }

    /// The words of docs/API.md, spelled out: a case renamed in a core must not rename what clients read.
    static func name(of state: MemberState) -> String {
        switch state {
        case .alive: "alive"
        case .suspect: "suspect"
        case .dead: "dead"
        case .left: "left"
        }
    }

    static let stateNames = MemberState.allCases.map { (name(of: $0), $0) }

    private static func name(of source: GPUReport.Source) -> String {
        switch source {
        case .nvml: "nvml"
        case .nvidiaSMI: "nvidia-smi"
        case .apple: "apple"
        case .configured: "configured"
        }
    }
}

extension ClusterView {
    /// The voters that this node believes alive, itself included.
    var reachableVoters: [NodeID] {
        consensus.voters.filter { voter in member(voter).map { $0.isSelf || $0.state == .alive } ?? false }
    }

    /// How many of them make a majority.
    var votersNeeded: Int { consensus.voters.count / 2 + 1 }
}
