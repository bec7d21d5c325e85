import Primitives

/// Chooses where a request goes, and learns from what became of it: the health table, the speed model, the breakers and
/// the cost model as one value. The gateway keeps one behind a lock.
///
/// Deciding allocates only the answer: which places have a model is worked out when catalogues change, not per request.
package struct Router: Sendable {
    /// One backend that has a model.
    struct Placement: Sendable {
        let node: Int
        let backend: Int
        let model: ModelReport
        /// In `speeds`.
        let speed: Int
    }

    package internal(set) var health: HealthTable
    package internal(set) var speeds = SpeedModel()
    package let costs: CostModel
    /// By model name, in order of node id.
    private var placements: [String: [Placement]] = [:]
    private var arePlacementsOld = false
    /// Output tokens of recent answers, for requests that do not say.
    var outputTokens = Pace()
    var nextNumber: UInt64 = 0

    package init(
        costs: CostModel.Config = CostModel.Config(), breaker: CircuitBreaker.Config = CircuitBreaker.Config()
    ) {
        self.costs = CostModel(config: costs)
        health = HealthTable(breakerConfig: breaker)
    }

    // MARK: What is known

    /// The complete list of members: whoever is missing is removed.
    package mutating func update(_ observations: [NodeObservation]) {
        let present = Set(observations.map(\.node))
        for id in health.nodeIDs where !present.contains(id) { remove(id) }
        for observation in observations { update(observation) }
    }

    package mutating func update(_ observation: NodeObservation) {
        let id = observation.node
        if health.update(
            id, name: observation.name, isSelf: observation.isSelf, standing: observation.standing,
            roundTrip: observation.roundTrip)
        {
            arePlacementsOld = true
        }
        if let vitals = observation.vitals { update(id, vitals: vitals) }
        if let load = observation.load { update(id, load: load, receivedAt: observation.receivedAt) }
        for catalog in observation.catalogs { update(id, catalog: catalog) }
    }

    package mutating func update(_ id: NodeID, vitals: Vitals) {
        let hadGPU = health.vitals(of: id)?.gpus.isEmpty == false
        health.update(id, vitals: vitals)
        if hadGPU == vitals.gpus.isEmpty { arePlacementsOld = true }
    }

    /// A report from gossip, or the fresher one on the reply of a forwarded request.
    package mutating func update(_ id: NodeID, load: Load, receivedAt: Instant) {
        if health.update(id, load: load, receivedAt: receivedAt) { arePlacementsOld = true }
    }

    package mutating func update(_ id: NodeID, catalog: Catalog) {
        if health.update(id, catalog: catalog) { arePlacementsOld = true }
    }

    package mutating func remove(_ id: NodeID) {
        if health.remove(id) { arePlacementsOld = true }
    }

    /// Names of all models on living nodes, in byte order.
    package mutating func knownModels() -> [String] {
        renewPlacements()
        return placements.keys.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
    }

    // MARK: Deciding

    package mutating func decide(
        _ request: RoutingRequest, now: Instant, random: inout SeededRandom
    ) -> Result<RoutingDecision, RoutingRefusal> {
        renewPlacements()
        guard let found = places(of: request.model) else { return .failure(.noSuchModel(known: knownModels())) }
        let output = expectedOutput(of: request)
        var candidates: [Candidate] = []
        candidates.reserveCapacity(found.count)
        var excluded: [ExcludedNode] = []
        var index = 0
        for node in health.nodes.indices {
            let general = generalExclusion(of: health.nodes[node], request: request)
            var reason: Exclusion? = general ?? .noSuchModel
            while index < found.count, found[index].node == node {
                let place = found[index]
                index += 1
                if general != nil { continue }
                if let refusal = exclusion(of: place, request: request, now: now) {
                    if reason != nil { reason = refusal }
                } else {
                    candidates.append(makeCandidate(place, request: request, output: output, now: now))
                    reason = nil
                }
            }
            if let reason {
                excluded.append(
                    ExcludedNode(node: health.nodes[node].id, nodeName: health.nodes[node].name, reason: reason))
            }
        }
        guard !candidates.isEmpty else { return .failure(.noNodeAvailable(excluded)) }
        let winner = pick(from: candidates, request: request, random: &random)
        let best = candidates.remove(at: winner)
        candidates.sort { ($0.estimate.total, $0.node, $0.backendIndex) < ($1.estimate.total, $1.node, $1.backendIndex) }
        return .success(RoutingDecision(winner: best, losers: candidates, excluded: excluded))
    }

    /// Exact name first, then Ollama's implicit tag.
    func places(of model: String) -> [Placement]? {
        if let exact = placements[model] { return exact }
        return ModelName.alias(of: model).flatMap { placements[$0] }
    }

    private func expectedOutput(of request: RoutingRequest) -> Double {
        if request.pool == .embedding { return 0 }
        let expected = request.outputTokens.map(Double.init) ?? outputTokens.mean ?? costs.config.outputTokens
        return max(0, min(expected, request.outputTokensMax.map(Double.init) ?? expected))
    }

    private func generalExclusion(of node: HealthTable.Node, request: RoutingRequest) -> Exclusion? {
        if node.standing == .gone { return .dead }
        guard let load = node.load else { return .noReport }
        if !load.isAcceptingWork { return .notAccepting }
        return request.excluded.contains(node.id) ? .alreadyTried : nil
    }

    private func exclusion(of place: Placement, request: RoutingRequest, now: Instant) -> Exclusion? {
        let node = health.nodes[place.node]
        let backend = node.backends[place.backend]
        if place.model.pool != request.pool { return .noSuchModel }
        if !backend.report.isHealthy { return .unhealthy }
        if !backend.breaker.admits(now: now) { return .breakerOpen }
        if !speeds.isLoaded(place.speed), let vitals = node.vitals, vitals.memoryTotalBytes > 0,
            place.model.sizeBytes > vitals.memoryTotalBytes, place.model.sizeBytes > vitals.gpuMemoryTotalBytes
        {
            return .doesNotFit
        }
        return nil
    }

    private func makeCandidate(
        _ place: Placement, request: RoutingRequest, output: Double, now: Instant
    ) -> Candidate {
        let node = health.nodes[place.node]
        let backend = node.backends[place.backend]
        let speed = speeds.forecast(place.speed)
        let prompt = Double(request.promptTokens)
        let service = speeds.serviceSeconds(place.speed) ?? prompt * speed.prefillPace + output * speed.decodePace
        let estimate = costs.estimate(
            promptTokens: prompt, outputTokens: output,
            at: CostModel.Place(
                roundTrip: node.roundTrip, slots: backend.report.slots,
                requests: backend.backlog.expectedRequests(now: now, serviceSeconds: service),
                serviceSeconds: service, isLoaded: speeds.isLoaded(place.speed), speed: speed,
                failureShare: max(backend.failureShare, node.load?.errorRate ?? 0),
                isSuspect: node.standing == .suspect))
        return Candidate(
            node: node.id, nodeName: node.name, backend: backend.report.name, backendIndex: place.backend,
            model: place.model.name, estimate: estimate)
    }

    /// The cheapest, or one of those close to it: the preferred node if it is among them, else at random.
    private func pick(from candidates: [Candidate], request: RoutingRequest, random: inout SeededRandom) -> Int {
        var least = Double.infinity
        for candidate in candidates { least = min(least, candidate.estimate.total) }
        let limit = least * (1 + costs.config.nearTie)
        var ties: [Int] = []
        for index in candidates.indices where candidates[index].estimate.total <= limit {
            if candidates[index].node == request.preferredNode { return index }
            ties.append(index)
        }
        return ties[random.below(ties.count)]
    }

    /// Positions in `placements` are only good after this.
    mutating func renewPlacements() {
        guard arePlacementsOld else { return }
        arePlacementsOld = false
        if !collectPlacements() {
            speeds.forget()
            _ = collectPlacements()
        }
    }

    /// False if the speed model is full.
    private mutating func collectPlacements() -> Bool {
        placements.removeAll(keepingCapacity: true)
        for (position, node) in health.nodes.enumerated() where node.standing != .gone {
            for model in node.catalogs.lazy.compactMap({ $0 }).flatMap(\.models)
            where model.backend < node.backends.count {
                let hasGPU = node.vitals?.gpus.isEmpty == false
                guard
                    let speed = speeds.enter(
                        node: node.id, model: model, backend: node.backends[model.backend].report, hasGPU: hasGPU)
                else { return false }
                placements[model.name, default: []].append(
                    Placement(node: position, backend: model.backend, model: model, speed: speed))
            }
        }
        return true
    }
}

/// What membership and gossip know of one node at this moment.
package struct NodeObservation: Sendable {
    package var node: NodeID
    package var name: String
    package var isSelf: Bool
    package var standing: HealthTable.Standing
    package var roundTrip: Duration?
    package var vitals: Vitals?
    package var load: Load?
    package var catalogs: [Catalog]
    /// When the newest of the sections arrived.
    package var receivedAt: Instant

    package init(
        node: NodeID, name: String, isSelf: Bool = false, standing: HealthTable.Standing = .alive,
        roundTrip: Duration? = nil, vitals: Vitals? = nil, load: Load? = nil, catalogs: [Catalog] = [],
        receivedAt: Instant
    ) {
        self.node = node
        self.name = name
        self.isSelf = isSelf
        self.standing = standing
        self.roundTrip = roundTrip
        self.vitals = vitals
        self.load = load
        self.catalogs = catalogs
        self.receivedAt = receivedAt
    }
}
