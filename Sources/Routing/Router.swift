import Primitives

/// Chooses where a request goes, and learns from what became of it: the health table, the speed model, the breakers and
/// the cost model as one value. The gateway keeps one behind a lock.
///
/// Deciding allocates only the answer: which places have a model is worked out when catalogues change, not per request.
package struct Router: Sendable {
    /// One backend that has a model: positions, so that deciding neither searches nor copies.
    struct Placement: Sendable {
        let node: Int
        let backend: Int
        let model: String
        let pool: ModelReport.Pool
        let sizeBytes: UInt64
        /// In `speeds`.
        let speed: Int
    }

    /// A place and its price, while they are compared.
    private struct Scored {
        let estimate: Estimate
        /// In the list of placements.
        let place: Int
        let total: Double
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
        let old = health.catalog(of: id, page: catalog.page)
        guard health.update(id, catalog: catalog) else { return }
        // Mostly only a learned rate moved: in a large mesh that must not cost a pass over all nodes.
        if let old, !arePlacementsOld, old.hasSamePlaces(as: catalog), let node = health.position(of: id) {
            for model in catalog.models where model.backend < health.nodes[node].backends.count {
                if speedEntry(of: model, node: node) == nil { arePlacementsOld = true }
            }
        } else {
            arePlacementsOld = true
        }
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

    /// Where `request` should go now. Under a lock, keep it until `noteStarted`: what was sent must count for the next
    /// decision, and a half-open breaker lets only one through.
    package mutating func decide(
        _ request: RoutingRequest, now: Instant, random: inout SeededRandom
    ) -> Result<RoutingDecision, RoutingRefusal> {
        renewPlacements()
        guard let found = places(of: request.model), let pool = pool(of: request, among: found) else {
            return .failure(.noSuchModel(known: knownModels()))
        }
        let output = expectedOutput(of: request)
        var scored: [Scored] = []
        scored.reserveCapacity(found.count)
        var excluded: [ExcludedNode] = []
        var index = 0
        for node in health.nodes.indices {
            let general = generalExclusion(ofNode: node, request: request)
            var reason: Exclusion? = general ?? .noSuchModel
            while index < found.count, found[index].node == node {
                defer { index += 1 }
                if general != nil { continue }
                if let refusal = exclusion(of: found[index], pool: pool, now: now) {
                    if reason != nil { reason = refusal }
                } else {
                    let estimate = estimate(found[index], request: request, output: output, now: now)
                    scored.append(Scored(estimate: estimate, place: index, total: estimate.total))
                    reason = nil
                }
            }
            if let reason {
                excluded.append(
                    ExcludedNode(node: health.nodes[node].id, nodeName: health.nodes[node].name, reason: reason))
            }
        }
        guard !scored.isEmpty else { return .failure(.noNodeAvailable(excluded)) }
        let winner = scored.remove(at: pick(from: scored, among: found, request: request, random: &random))
        // Equal totals keep the order of node ids.
        scored.sort { ($0.total, $0.place) < ($1.total, $1.place) }
        let losers = scored.map { makeCandidate($0, among: found) }
        return .success(
            RoutingDecision(winner: makeCandidate(winner, among: found), losers: losers, excluded: excluded))
    }

    /// Exact name first, then Ollama's implicit tag.
    func places(of model: String) -> [Placement]? {
        if let exact = placements[model] { return exact }
        return ModelName.alias(of: model).flatMap { placements[$0] }
    }

    /// Where to look: generation never runs on an embedding model, but a model that is in no embedding pool embeds where
    /// it generates. Nil if the model cannot do what is asked.
    private func pool(of request: RoutingRequest, among found: [Placement]) -> ModelReport.Pool? {
        if found.contains(where: { $0.pool == request.pool }) { return request.pool }
        return request.pool == .embedding ? .generation : nil
    }

    private func expectedOutput(of request: RoutingRequest) -> Double {
        if request.pool == .embedding { return 0 }
        let expected = request.outputTokens.map(Double.init) ?? outputTokens.mean ?? costs.config.outputTokens
        return max(0, min(expected, request.outputTokensMax.map(Double.init) ?? expected))
    }

    private func generalExclusion(ofNode node: Int, request: RoutingRequest) -> Exclusion? {
        if health.nodes[node].standing == .gone { return .dead }
        guard let isAcceptingWork = health.nodes[node].load?.isAcceptingWork else { return .noReport }
        if !isAcceptingWork { return .notAccepting }
        return request.excluded.contains(health.nodes[node].id) ? .alreadyTried : nil
    }

    private func exclusion(of place: Placement, pool: ModelReport.Pool, now: Instant) -> Exclusion? {
        if place.pool != pool { return .noSuchModel }
        if !health.nodes[place.node].backends[place.backend].report.isHealthy { return .unhealthy }
        if !health.nodes[place.node].backends[place.backend].breaker.admits(now: now) { return .breakerOpen }
        if place.sizeBytes > health.nodes[place.node].largestMemoryBytes, !speeds.isLoaded(place.speed) {
            return .doesNotFit
        }
        return nil
    }

    private func estimate(_ place: Placement, request: RoutingRequest, output: Double, now: Instant) -> Estimate {
        let speed = speeds.forecast(place.speed, now: now)
        let prompt = Double(request.promptTokens)
        let service =
            speeds.serviceSeconds(place.speed)
            ?? speed.overhead + prompt * speed.prefillPace + output * speed.decodePace
        let requests = health.nodes[place.node].backends[place.backend].backlog
            .expectedRequests(now: now, serviceSeconds: service)
        return costs.estimate(
            promptTokens: prompt, outputTokens: output,
            at: CostModel.Place(
                roundTrip: health.nodes[place.node].roundTrip,
                slots: health.nodes[place.node].backends[place.backend].report.slots,
                requests: requests, serviceSeconds: service, isLoaded: speeds.isLoaded(place.speed), speed: speed,
                failureShare: max(
                    health.nodes[place.node].backends[place.backend].failureShare,
                    health.nodes[place.node].load?.errorRate ?? 0),
                isSuspect: health.nodes[place.node].standing == .suspect))
    }

    private func makeCandidate(_ scored: Scored, among found: [Placement]) -> Candidate {
        let place = found[scored.place]
        return Candidate(
            node: health.nodes[place.node].id, nodeName: health.nodes[place.node].name,
            backend: health.nodes[place.node].backends[place.backend].report.name, backendIndex: place.backend,
            model: place.model, estimate: scored.estimate)
    }

    /// The cheapest, or one of those close to it: the preferred node if it is among them, else at random.
    private func pick(
        from scored: [Scored], among found: [Placement], request: RoutingRequest, random: inout SeededRandom
    ) -> Int {
        let least = scored.reduce(Double.infinity) { min($0, $1.total) }
        let limit = least * (1 + costs.config.nearTie)
        var ties: [Int] = []
        for index in scored.indices where scored[index].total <= limit {
            if let preferred = request.preferredNode, health.nodes[found[scored[index].place].node].id == preferred {
                return index
            }
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

    private mutating func speedEntry(of model: ModelReport, node: Int) -> Int? {
        speeds.enter(
            node: health.nodes[node].id, model: model, backend: health.nodes[node].backends[model.backend].report,
            hasGPU: health.nodes[node].vitals?.gpus.isEmpty == false)
    }

    /// False if the speed model is full.
    private mutating func collectPlacements() -> Bool {
        placements.removeAll(keepingCapacity: true)
        for (position, node) in health.nodes.enumerated() where node.standing != .gone {
            for model in node.catalogs.lazy.compactMap({ $0 }).flatMap(\.models)
            where model.backend < node.backends.count {
                guard let speed = speedEntry(of: model, node: position) else { return false }
                placements[model.name, default: []].append(
                    Placement(
                        node: position, backend: model.backend, model: model.name, pool: model.pool,
                        sizeBytes: model.sizeBytes, speed: speed))
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
