import HTTPTypes
import NIOCore
import NodeCore
import Primitives
import Routing

/// One prompt from the moment it is admitted until its last byte: chooses a place, tries it, moves on when that fails
/// unseen, and says so when it fails in sight.
///
///     decide -> attempt -> first output shown -> last output shown
///       ^          | failed unseen                 | failed in sight
///       +----------+ (at most three attempts)      +-> error event, end
///
/// A prompt that another agent has forwarded here is tried at the named backend alone: two agents that both chose again
/// could send a prompt around in circles.
final class PromptExchange: AttemptOwner {
    private let gateway: Gateway
    private let pool: UpstreamPool
    private let prompt: PromptRequest
    private let original: [UInt8]
    private let caller: Caller
    private let delegation: Delegation?
    private unowned let sink: any ReplySink
    private let onEnd: () -> Void
    private let heading: ReplyEncoder.Heading
    private let startedAt: Instant

    private var budget = AttemptBudget()
    private var triedCount = 0
    private var excluded: [NodeID] = []
    private var attempt: Attempt?
    private var ticket: RequestTicket?
    private var decision: RoutingDecision?
    private var lastFailure: AttemptFailure?
    private var backoff: Scheduled<Void>?
    private var heartbeat: Ticker?
    private var isBegun = false
    private var isOver = false
    private var firstShownAt: Instant?

    init(
        gateway: Gateway, pool: UpstreamPool, prompt: PromptRequest, original: [UInt8], caller: Caller,
        delegation: Delegation?, sink: any ReplySink, onEnd: @escaping () -> Void
    ) {
        self.gateway = gateway
        self.pool = pool
        self.prompt = prompt
        self.original = original
        self.caller = caller
        self.delegation = delegation
        self.sink = sink
        self.onEnd = onEnd
        startedAt = gateway.now()
        heading = ReplyEncoder.Heading(
            api: prompt.api, model: prompt.model, id: gateway.randomWord(),
            unixMilliseconds: gateway.unixMilliseconds(gateway.view), includesUsage: prompt.includesUsage)
    }

    func start() {
        guard let delegation else { return tryNext(.first) }
        guard let backend = gateway.backend(named: delegation.backend) else { return end(with: .modelMissing) }
        beatHeart()
        run(.local(backend, model: delegation.model), roundTrip: .zero)
    }

    /// Tells the origin that this agent lives, until the first byte says so.
    private func beatHeart() {
        let interval = TimeAmount.nanoseconds(FirstByteDeadlines.heartbeatInterval.inNanoseconds)
        sink.interim()
        heartbeat = Ticker(pool.loop, after: interval, every: interval) { [weak self] in self?.sink.interim() }
    }

    /// The client went away.
    func cancel() {
        guard !isOver else { return }
        attempt?.cancel()
        finishTicket(RequestOutcome(.cancelled))
        report("cancelled", measured: nil)
        close()
    }

    func setClientSlow(_ slow: Bool) { attempt?.setClientSlow(slow) }

    // MARK: Choosing

    private func tryNext(_ reason: AttemptBudget.Reason) {
        switch gateway.routing.draw({ budget.take(reason, random: &$0) }) {
        case .tokenVisible: preconditionFailure("an attempt after the first token would repeat it")
        case .exhausted: end(with: lastFailure)
        case .attempt(let delay) where delay > .zero:
            backoff = pool.loop.assumeIsolated().scheduleTask(in: .nanoseconds(delay.inNanoseconds)) { self.decide() }
        case .attempt: decide()
        }
    }

    private func decide() {
        backoff = nil
        let request = RoutingRequest(
            model: prompt.model, promptTokens: prompt.promptTokens, outputTokensMax: prompt.maxTokens,
            excluded: excluded)
        switch gateway.decide(request) {
        case .success(let decision): run(decision)
        case .failure(.noSuchModel): refuse(.unknownModel(prompt.model), decision: "none; no-such-model")
        case .failure(.noNodeAvailable(let nodes)):
            // Whoever broke is asked once more rather than nobody: a server that was just restarted answers again.
            if case .broken? = lastFailure, nodes.contains(where: { $0.reason == .alreadyTried }) {
                excluded = []
                return decide()
            }
            let reasons = nodes.map { "\($0.nodeName):\($0.reason.rawValue)" }.joined(separator: "; ")
            guard lastFailure == nil else { return end(with: lastFailure) }
            refuse(.noNode(reasons), decision: "none; \(reasons)")
        }
    }

    private func run(_ decision: RoutingDecision) {
        self.decision = decision
        triedCount += 1
        let winner = decision.winner
        ticket = gateway.routing.noteStarted(winner, promptTokens: prompt.promptTokens, now: gateway.now())
        let roundTrip = Duration.nanoseconds(Int64(winner.estimate.roundTrip * 1e9))
        if winner.node == gateway.me, let backend = gateway.backend(named: winner.backend) {
            return run(.local(backend, model: winner.model), roundTrip: .zero)
        }
        guard let place = gateway.peerPlace(of: winner, caller: caller, api: prompt.api) else {
            return attempt(failed: .broken("its address is not known"))
        }
        run(place, roundTrip: roundTrip)
    }

    private func run(_ place: Attempt.Place, roundTrip: Duration) {
        let environment: AttemptEnvironment
        switch place {
        case .local(let backend, _) where prompt.isPreload && backend.config.kind != .ollama:
            return answerPreload()
        case .local(let backend, let model):
            let isWhole = !prompt.isStreaming && backend.config.kind.rawValue == prompt.api.dialect.rawValue
            environment = gateway.environment(
                for: pool, roundTrip: .zero, backend: backend, key: FirstByteBoard.Key(model: model, isWhole: isWhole),
                prompt: prompt)
        case .peer:
            environment = gateway.environment(
                for: pool, roundTrip: roundTrip, backend: nil,
                key: FirstByteBoard.Key(model: prompt.model, isWhole: !prompt.isStreaming), prompt: prompt)
        }
        let attempt = Attempt(
            at: place, prompt: prompt, original: original, heading: heading, environment: environment, owner: self)
        self.attempt = attempt
        if !sink.isWritable { attempt.setClientSlow(true) }
        attempt.start()
    }

    /// A request to load a model, where models are always loaded.
    private func answerPreload() {
        finishTicket(RequestOutcome(.cancelled))
        sink.whole(.ok, fields(isStreaming: prompt.isStreaming), ReplyEncoder.loaded(heading))
        report("ok", measured: nil)
        close()
    }

    // MARK: How the attempt goes

    func attempt(produced output: ByteBuffer) {
        guard !isOver else { return }
        begin()
        sink.piece(output)
        // What was just written may have filled the client's buffer.
        if !sink.isWritable { attempt?.setClientSlow(true) }
    }

    func attempt(finished output: ByteBuffer, measured: AttemptMeasure) {
        guard !isOver else { return }
        attempt = nil
        let usage = measured.usage
        finishTicket(
            RequestOutcome(
                .success, promptTokens: usage?.prefillTokens ?? usage?.promptTokens ?? 0,
                outputTokens: measured.completionTokens,
                firstByteAfter: prompt.isStreaming ? measured.firstByteAfter : nil,
                prefillSeconds: usage?.prefill?.inSeconds, decodeSeconds: usage?.decode?.inSeconds,
                loadSeconds: usage?.load?.inSeconds))
        if prompt.isStreaming {
            begin()
            if output.readableBytes > 0 { sink.piece(output) }
            sink.end()
        } else {
            firstShownAt = gateway.now()
            sink.whole(.ok, fields(isStreaming: false), output)
        }
        report("ok", measured: measured)
        close()
    }

    func attempt(failed failure: AttemptFailure) {
        guard !isOver else { return }
        attempt = nil
        lastFailure = failure
        if case .silent = failure, let ticket { gateway.routing.noteMissedFirstByte(ticket, now: gateway.now()) }
        finishTicket(RequestOutcome(failure.outcome))
        if isBegun { return breakOff(failure) }
        if delegation != nil { return end(with: failure) }
        if let node = decision?.winner.node { excluded.append(node) }
        switch failure {
        case .rejected(let error): refuse(error, decision: decision?.header)
        case .bounced, .modelMissing, .silent: tryNext(.bounce)
        case .broken: tryNext(.retry)
        }
    }

    /// Sends the head; from here on a failure is visible, and there is no further attempt.
    private func begin() {
        guard !isBegun else { return }
        isBegun = true
        heartbeat?.cancel()
        budget.noteVisibleToken()
        firstShownAt = gateway.now()
        sink.begin(.ok, fields(isStreaming: true))
    }

    private func breakOff(_ failure: AttemptFailure) {
        let who = decision?.winner.nodeName ?? gateway.name
        let error = GatewayError(
            502, "the answer broke off: \(who) failed (\(failure.explanation)). What arrived is incomplete; ask again.",
            code: "answer_broken_off")
        sink.piece(error.event(prompt.api.dialect))
        sink.end()
        report("broken-off", measured: nil)
        close()
    }

    /// Nobody is left to try.
    private func end(with failure: AttemptFailure?) {
        let decision = self.decision?.header ?? "none"
        switch failure {
        case .rejected(let error)?: refuse(error, decision: decision)
        case .modelMissing?: refuse(.unknownModel(prompt.model), decision: decision)
        case .bounced?: refuse(.noNode("every queue is full"), decision: decision, bounces: true)
        case .broken?, .silent?, nil:
            let who = self.decision?.winner.nodeName ?? gateway.name
            let why = failure?.explanation ?? "no attempt was made"
            let tries = budget.attempts > 1 ? " after \(budget.attempts) attempts" : ""
            refuse(
                GatewayError(
                    failure == .silent ? 504 : 502, "no node could answer\(tries); the last was \(who): \(why)",
                    code: "upstream_failed", retryAfterSeconds: 2), decision: decision)
        }
    }

    private func refuse(_ error: GatewayError, decision: String?, bounces: Bool = false) {
        var fields = ReplyFields.make(prompt.api.dialect, isStreaming: false, node: gateway.name, decision: decision)
        if let seconds = error.retryAfterSeconds { fields[.retryAfter] = String(seconds) }
        if bounces, delegation != nil { fields[HeaderPolicy.meshBounce] = "1" }
        sink.whole(
            HTTPResponse.Status(code: error.status), fields, ByteBuffer(bytes: error.body(prompt.api.dialect)))
        report("refused", measured: nil)
        close()
    }

    private func fields(isStreaming: Bool) -> HTTPFields {
        ReplyFields.make(
            prompt.api.dialect, isStreaming: isStreaming, node: decision?.winner.nodeName ?? gateway.name,
            decision: decision?.header)
    }

    private func finishTicket(_ outcome: RequestOutcome) {
        guard let ticket else { return }
        self.ticket = nil
        gateway.routing.noteFinished(ticket, outcome, now: gateway.now())
    }

    private func close() {
        isOver = true
        attempt = nil
        backoff?.cancel()
        backoff = nil
        heartbeat?.cancel()
        onEnd()
    }

    /// One line for those who watch this node route. The serving side of a forwarded prompt stays silent: it was routed
    /// elsewhere.
    private func report(_ result: String, measured: AttemptMeasure?) {
        guard delegation == nil else { return }
        let now = gateway.now()
        gateway.publish(
            .object([
                "model": .string(prompt.model), "node": decision.map { .string($0.winner.nodeName) } ?? .null,
                "backend": decision.map { .string($0.winner.backend) } ?? .null,
                "result": .string(result), "attempts": .integer(triedCount),
                "eta_ms": decision.map { .integer(Int($0.eta * 1000)) },
                "first_byte_ms": firstShownAt.map { .integer(($0 - startedAt).inMilliseconds) },
                "total_ms": .integer((now - startedAt).inMilliseconds),
                "tokens": measured.map { .integer($0.completionTokens) },
                "decision": decision.map { .string($0.header) },
            ]))
    }
}

extension AttemptFailure {
    /// What it says about the place.
    fileprivate var outcome: RequestOutcome.Result {
        switch self {
        case .rejected, .modelMissing, .bounced: .bounced
        case .broken, .silent: .failure
        }
    }
}
