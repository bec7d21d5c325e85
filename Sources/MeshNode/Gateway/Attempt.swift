import NIOCore
import NIOHTTP1
import NodeCore
import Primitives
import Routing

/// One try at one place: this node's backend, or another agent. Waits for a slot where the backend is this node's own,
/// sends, watches the clock, and turns the reply into the client's words.
///
///     waiting for a slot -> sent -> head -> first byte -> ... -> end
///            \_______________\_______\__________\______________> failed, cancelled: the slot is free again
final class Attempt: UpstreamReceiver {
    enum Place {
        case local(LocalBackend, model: String)
        case peer(UpstreamTarget, delegation: String)
    }

    /// An error document beyond this is cut; only its first words are shown.
    private static let errorBytesMax = 64 << 10
    /// In mid-stream: the longest silence between two pieces, a client's slowness included.
    static let stallMax: Duration = .seconds(120)
    /// The same for another agent that the mesh has declared dead.
    private static let deadSilenceMax: Duration = .seconds(3)
    private static let stallCheckInterval: TimeAmount = .seconds(2)
    /// Between two looks at what the monitor thinks of a backend that is silent for long.
    private static let doubtInterval: TimeAmount = .seconds(1)

    let place: Place
    let prompt: PromptRequest
    private let original: [UInt8]
    let environment: AttemptEnvironment
    private weak var owner: (any AttemptOwner)?
    private var relay: ReplyRelay
    private let upstreamPrompt: UpstreamPrompt?
    private let pacer: Pacer
    private var handle: (any UpstreamHandle)?
    private var slot: Admission.ID?
    private var deadline: Scheduled<Void>?
    private var doubt: Ticker?
    private var stallCheck: Ticker?
    private let startedAt: Instant
    private(set) var sentAt: Instant
    private(set) var firstByteAt: Instant?
    private var lastProgress: Instant
    private(set) var status: UInt?
    private(set) var bounces = false
    private(set) var errorBody = ByteBuffer()
    private var hasRetriedFresh = false
    private var isOver = false
    private var isClientSlow = false

    init(
        at place: Place, prompt: PromptRequest, original: [UInt8], heading: ReplyEncoder.Heading,
        environment: AttemptEnvironment, owner: any AttemptOwner
    ) {
        self.place = place
        self.prompt = prompt
        self.original = original
        self.environment = environment
        self.owner = owner
        switch place {
        case .local(let backend, let model):
            let upstream =
                switch backend.config.kind {
                case .demo: UpstreamPrompt(demo: prompt)
                case .ollama: UpstreamPrompt(prompt, original: original, backend: .ollama, model: model)
                case .openai: UpstreamPrompt(prompt, original: original, backend: .openai, model: model)
                }
            upstreamPrompt = upstream
            relay = ReplyRelay(upstream, heading: heading, isStreaming: prompt.isStreaming)
            pacer = Pacer(factor: backend.config.slowdown, loop: environment.pool.loop)
        case .peer:
            upstreamPrompt = nil
            relay = ReplyRelay(fromPeer: prompt.api.dialect, isStreaming: prompt.isStreaming)
            pacer = Pacer(factor: 1, loop: environment.pool.loop)
        }
        startedAt = environment.now()
        sentAt = startedAt
        lastProgress = startedAt
    }

    func start() {
        guard case .local(let backend, _) = place else { return send(fresh: false) }
        let bound = NIOLoopBound(self, eventLoop: environment.pool.loop)
        let tokens = prompt.promptTokens + (prompt.maxTokens ?? 200)
        let verdict = backend.desk.enter(priority: .inference, tokens: tokens) { [loop = environment.pool.loop] turn in
            loop.execute { bound.value.take(turn) }
        }
        switch verdict {
        case .begin(let id):
            slot = id
            environment.loadChanged()
            send(fresh: false)
        case .wait(let id):
            slot = id
            environment.loadChanged()
        case .refused: fail(.bounced)
        }
    }

    /// The client went away, or the owner goes elsewhere: everything is freed, and nothing more is said.
    func cancel() {
        guard !isOver else { return }
        handle?.cancel()
        close()
    }

    func setClientSlow(_ slow: Bool) {
        isClientSlow = slow
        lastProgress = environment.now()
        handle?.setPaused(slow || pacer.isFull)
    }

    private func take(_ turn: AdmissionDesk.Turn) {
        guard !isOver else { return }
        switch turn {
        case .begin: send(fresh: false)
        case .displaced:
            slot = nil
            fail(.bounced)
        }
    }

    private func send(fresh: Bool) {
        sentAt = environment.now()
        lastProgress = sentAt
        if deadline == nil { watchSilence() }
        switch place {
        case .local(let backend, _): sendToBackend(backend, fresh: fresh)
        case .peer(let target, let delegation):
            let headers = HeaderPolicy.peerHeaders(bodyBytes: original.count, delegation: delegation)
            let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: prompt.api.path, headers: headers)
            handle = environment.pool.start(
                target, head, body: ByteBuffer(bytes: original), fresh: fresh, receiver: self)
        }
    }

    private func sendToBackend(_ backend: LocalBackend, fresh: Bool) {
        guard let address = backend.address, let upstream = upstreamPrompt else {
            handle = DemoGeneration(prompt, loop: environment.pool.loop, receiver: self)
            return
        }
        let headers = HeaderPolicy.backendHeaders(
            host: address.authority, bodyBytes: upstream.body.count, key: backend.key)
        let head = HTTPRequestHead(
            version: .http1_1, method: .POST, uri: address.basePath + upstream.path, headers: headers)
        handle = environment.pool.start(
            .backend(address), head, body: ByteBuffer(bytes: upstream.body), fresh: fresh, receiver: self)
    }

    // MARK: What comes back

    func upstreamAccepted() {
        guard !isOver, firstByteAt == nil else { return }
        // The other agent lives and has taken it; it watches its backend itself.
        schedule(deadline: FirstByteDeadlines.heartbeatTimeout)
    }

    func upstream(head: HTTPResponseHead) {
        status = head.status.code
        bounces = head.headers.contains(name: "X-Mesh-Bounce")
    }

    func upstream(body: ByteBuffer) {
        guard !isOver else { return }
        lastProgress = environment.now()
        guard status == 200 else {
            if errorBody.readableBytes < Self.errorBytesMax { errorBody.writeImmutableBuffer(body) }
            return
        }
        noteFirstByte()
        do throws(StreamRefusal) {
            let output = try relay.push(body)
            if output.readableBytes > 0 { deliver(output) }
        } catch {
            return fail(.broken("its reply is malformed"))
        }
        if let failure = relay.failure { fail(.broken("its backend reported: \(failure)")) }
    }

    func upstreamEnd() {
        guard !isOver else { return }
        handle = nil
        guard status == 200 else { return fail(failureOfStatus()) }
        let rest: ByteBuffer?
        do throws(StreamRefusal) {
            rest = try relay.finish(elapsed: slowed(environment.now() - sentAt))
        } catch {
            return fail(.broken("its reply is malformed"))
        }
        guard let rest else {
            return fail(.broken(relay.failure.map { "its backend reported: \($0)" } ?? "its reply broke off"))
        }
        pacer.schedule(bytes: rest.readableBytes) { self.finish(rest) }
    }

    func upstreamFailed(_ failure: UpstreamFailure) {
        guard !isOver else { return }
        handle = nil
        switch failure {
        case .closed(wasReused: true) where !hasReceivedAnything && !hasRetriedFresh:
            hasRetriedFresh = true
            send(fresh: true)
        case .closed: fail(.broken(firstByteAt == nil ? "it closed the connection" : "its reply broke off"))
        case .cannotConnect: fail(.broken("it refuses connections"))
        case .malformed: fail(.broken("its reply is not HTTP"))
        case .exhausted: fail(.bounced)
        }
    }

    private var hasReceivedAnything: Bool { status != nil || firstByteAt != nil }

    private func noteFirstByte() {
        guard firstByteAt == nil else { return }
        firstByteAt = environment.now()
        deadline?.cancel()
        deadline = nil
        doubt?.cancel()
        stallCheck = Ticker(
            environment.pool.loop, after: Self.stallCheckInterval, every: Self.stallCheckInterval
        ) { [weak self] in
            guard let self else { return }
            let silence = environment.now() - lastProgress
            if silence > Self.stallMax || silence > Self.deadSilenceMax && isPlaceDead { fail(.silent) }
        }
    }

    private var isPlaceDead: Bool {
        guard case .peer(.peer(let node, _), _) = place else { return false }
        return environment.isDead(node)
    }

    private func deliver(_ output: ByteBuffer) {
        pacer.schedule(bytes: output.readableBytes) {
            guard !self.isOver else { return }
            self.owner?.attempt(produced: output)
            if !self.isClientSlow, !self.pacer.isFull { self.handle?.setPaused(false) }
        }
        if pacer.isFull { handle?.setPaused(true) }
    }

    private func finish(_ rest: ByteBuffer) {
        guard !isOver else { return }
        let now = environment.now()
        let measure = AttemptMeasure(
            firstByteAfter: firstByteAt.map { slowed($0 - sentAt) }, elapsed: now - sentAt,
            completionTokens: relay.completionTokens, usage: relay.usage)
        let owner = owner
        noteSpeeds(measure, now: now)
        close()
        owner?.attempt(finished: rest, measured: measure)
    }

    private func fail(_ failure: AttemptFailure) {
        guard !isOver else { return }
        handle?.cancel()
        let owner = owner
        close()
        owner?.attempt(failed: failure)
    }

    private func close() {
        isOver = true
        handle = nil
        owner = nil
        deadline?.cancel()
        doubt?.cancel()
        stallCheck?.cancel()
        pacer.cancel()
        if case .local(let backend, _) = place, let slot {
            backend.desk.leave(slot)
            environment.loadChanged()
        }
        slot = nil
    }

    private func watchSilence() {
        schedule(deadline: environment.firstByteDeadlines.final)
        guard let doubtful = environment.firstByteDeadlines.doubtful, case .local(let backend, _) = place else {
            return
        }
        let after = TimeAmount.nanoseconds(doubtful.inNanoseconds)
        doubt = Ticker(environment.pool.loop, after: after, every: Self.doubtInterval) { [weak self] in
            if !backend.current.isHealthy { self?.fail(.silent) }
        }
    }

    private func schedule(deadline span: Duration) {
        deadline?.cancel()
        deadline = environment.pool.loop.assumeIsolated().scheduleTask(in: .nanoseconds(span.inNanoseconds)) {
            self.fail(.silent)
        }
    }
}
