import Authority
import Gossip
import Logging
import NodeCore
import Primitives
import Raft
import SecureChannel
import UVLoop

/// Runtime one: the libuv thread that owns a brain. Sockets, timer, disk and mailbox turn into inputs; effects turn into
/// packets, writes and answers.
///
/// ```
/// one turn:  timers (wake only) ─▶ sockets, disk ─▶ check: letters, settle, tick, publish, arm the timer
/// ```
/// What arrived in one turn is gathered and settled together: a burst of proposals becomes one append and one write.
/// Answers are given once the view is published: whoever was told "committed" or "readable" finds it there.
///
/// libuv runs timers before it reads sockets, so the timer only wakes the loop: the brain's own time passes in `check`,
/// after everything that had arrived was heard. A node that was stopped for a while thus never mistakes its own pause
/// for the silence of others.
final class NodeLoop {
    /// Later than this past a deadline, we were not running.
    private static let pauseThreshold: Duration = .milliseconds(250)
    private static let wallClockInterval: Duration = .seconds(5)

    private let loop: Loop
    private var brain: NodeBrain
    private let keys: SharedKeys
    private let files: MembershipFiles
    private let mailbox: CoreMailbox
    private let publisher: ViewPublisher
    private let topics: TopicHub
    private let logger: Logger
    private let wallClock: () -> Int64
    private var socket: UDPSocket?
    private var peers: PeerConnections?
    private var disk: DiskWorker?
    /// A thread for what takes the processor for long, so that neither the loop nor the disk waits for it.
    private var workshop: FileWorker?
    private var timer: LoopTimer?
    private var waiting: [RequestID: @Sendable (NodeAnswer) -> Void] = [:]
    private var nextRequest: UInt64 = 1
    /// Of this turn.
    private var answers: [(reply: @Sendable (NodeAnswer) -> Void, answer: NodeAnswer)] = []
    private var publishedVersion: UInt64 = .max
    /// When the brain wanted to be woken, as of the end of the last turn; far off once a pause was told in this one.
    private var expectedWake = Instant.distantFuture
    private var hasGathered = false
    private var wallClockDue: Instant = .zero
    private var effects: [NodeEffect] = []
    private var isStopping = false

    /// Opens the sockets; nothing is sent before `run`.
    init(
        brain: NodeBrain, firstEffects: [NodeEffect], endpoint: Endpoint, keys: SharedKeys, membership: MembershipFiles,
        directory: sending DurableDirectory, mailbox: CoreMailbox, publisher: ViewPublisher, topics: TopicHub,
        logger: Logger, wallClock: @escaping () -> Int64
    ) throws(UVError) {
        self.brain = brain
        self.keys = keys
        files = membership
        self.mailbox = mailbox
        self.publisher = publisher
        self.topics = topics
        self.logger = logger
        self.wallClock = wallClock
        effects = firstEffects
        loop = try Loop()
        // The loop owns its handles, which own these closures: `unowned` is valid for as long as they can be called.
        let worker = try DiskWorker(directory, on: loop)
        disk = worker
        workshop = try FileWorker(on: loop)
        timer = try LoopTimer(on: loop)
        socket = try UDPSocket.bind(endpoint, on: loop) { [unowned self] bytes, source in
            deliver(.datagram(bytes, from: source))
        }
        peers = PeerConnections(
            loop: loop, keys: keys,
            onMessage: { [unowned self] payload, kind, peer in
                deliver(.streamMessage(payload, kind: kind, from: peer))
            },
            onLoss: { [unowned self] node in deliver(.connectionLost(node)) })
        // On the loop's thread, where the desk runs: the brain is at hand.
        peers?.joinDesk = JoinDesk(
            identity: membership.identity, genesis: membership.genesis, coreKey: membership.coreKey,
            dataKeys: membership.dataKeys, keys: keys,
            loop: JoinDesk.Loop(
                view: { [unowned self] in self.brain.makeView(at: MonotonicClock.now()) }, now: MonotonicClock.now,
                submit: { [unowned self] command, reply in submit(command, reply) }))
        _ = try TCPListener.listen(on: endpoint, loop: loop) { [unowned self] in peers?.accept($0) }
        _ = try CheckHook(on: loop) { [unowned self] in turn() }
        // Waking is all it does: `turn` takes the letters.
        mailbox.connect(try Wakeup(on: loop) {}.signal)
    }

    /// Runs on the calling thread until a `stop` letter was handled.
    func run() {
        if !ThreadPriority.raise() {
            logger.info(
                "the loop runs at ordinary priority; elections may start needlessly when the machine is overloaded")
        }
        runEffects()
        timer?.arm(at: MonotonicClock.now())
        loop.run()
        let answer = NodeAnswer.refused(.stopping)
        for letter in mailbox.close() {
            switch letter {
            case .submit(_, let reply), .readBarrier(let reply), .removeMember(_, let reply): reply(answer)
            case .publish, .broadcast, .stop: break
            }
        }
        for reply in waiting.values { reply(answer) }
        publisher.finish()
    }

    // MARK: One turn

    private func turn() {
        for letter in mailbox.takeAll() { take(letter) }
        let now = MonotonicClock.now()
        if now >= wallClockDue {
            wallClockDue = now + Self.wallClockInterval
            deliver(.wallClock(unixMilliseconds: wallClock()))
            peers?.expire(at: now)
            peers?.keep(to: brain.membership.companions)
        }
        if hasGathered {
            hasGathered = false
            brain.settle(now: now, into: &effects)
            runEffects()
        }
        if nextDeadline <= now {
            noticePause(at: now)
            brain.tick(now: now, into: &effects)
            runEffects()
        }
        if brain.viewVersion != publishedVersion {
            publishedVersion = brain.viewVersion
            brain.refreshMemberViews()
            publisher.publish(brain.withoutCopying { $0.makeView(at: now) })
        }
        giveAnswers()
        guard !isStopping else { return loop.stop() }
        expectedWake = nextDeadline
        // An answer may have led to another question.
        timer?.arm(at: hasGathered ? now : min(expectedWake, wallClockDue))
    }

    private var nextDeadline: Instant { brain.withoutCopying(\.nextDeadline) }

    private func take(_ letter: CoreMailbox.Letter) {
        switch letter {
        case .submit(let command, let reply): deliver(.submit(expect(reply), command))
        case .readBarrier(let reply): deliver(.readBarrier(expect(reply)))
        case .removeMember(let node, let reply): deliver(.removeMember(expect(reply), node))
        case .publish(let section): deliver(.publish(section))
        case .broadcast(let event): deliver(.broadcast(event))
        case .stop:
            deliver(.leave)
            isStopping = true
        }
    }

    private func submit(_ command: AuthorityCommand, _ reply: @escaping (NodeAnswer) -> Void) {
        // The closure comes back on this thread: the loop is where all answers are given.
        let box = UncheckedReply(reply: reply)
        deliver(.submit(expect { box.reply($0) }, command))
    }

    private func expect(_ reply: @escaping @Sendable (NodeAnswer) -> Void) -> RequestID {
        let request = RequestID(nextRequest)
        nextRequest += 1
        waiting[request] = reply
        return request
    }

    private func deliver(_ input: NodeInput) {
        let now = MonotonicClock.now()
        noticePause(at: now)
        brain.gather(input, now: now, into: &effects)
        hasGathered = true
    }

    private func noticePause(at now: Instant) {
        guard expectedWake < now, now - expectedWake > Self.pauseThreshold else { return }
        logger.notice("this process did not run for a while", metadata: ["late": "\(now - expectedWake)"])
        brain.gather(.paused(now - expectedWake), now: now, into: &effects)
        hasGathered = true
        expectedWake = .distantFuture
    }

    // MARK: Effects

    private func runEffects() {
        // Running an effect never delivers an input at once, so the list does not grow meanwhile.
        for effect in effects { run(effect) }
        effects.removeAll(keepingCapacity: true)
    }

    private func run(_ effect: NodeEffect) {
        switch effect {
        case .sendDatagram(let bytes, let endpoint): _ = socket?.send(bytes, to: endpoint)
        case .sendStream(let payload, let kind, let node, let endpoint):
            peers?.send(payload, kind: kind, to: node, at: endpoint)
        case .disk(let write, let operations):
            disk?.run(operations) { [unowned self] outcome in
                switch outcome {
                case .durable: deliver(.diskDone(write: write))
                case .full: deliver(.diskFull(write: write))
                case .failed(let reason): deliver(.diskFailed(reason))
                }
            }
        case .work(let work): workshop?.submit({ work.run() }) { [unowned self] in deliver(.worked($0)) }
        case .keepKeys(let changed): keep(changed)
        case .keepRoster(let bytes): keep(bytes, as: "roster", with: files.keepRoster)
        case .keepRevocations(let bytes): keep(bytes, as: "revocations", with: files.keepRevocations)
        case .answer(let request, let answer):
            if let reply = waiting.removeValue(forKey: request) { answers.append((reply, answer)) }
        case .broadcast(let event, let node): topics.deliver(event, from: node)
        case .event(let event): log(event)
        }
    }

    private func keep(_ changed: ChannelKeys) {
        let keys = keys
        workshop?.submit({ keys.replace(by: changed) }) { [unowned self] problem in
            if let problem {
                logger.error("the cluster's new secret could not be written", metadata: ["reason": "\(problem)"])
            } else {
                let keyring = changed.keyring
                logger.notice(
                    "the cluster's secret changes",
                    metadata: [
                        "held": "\(keyring.newest)", "active": "\(keyring.active)", "oldest": "\(keyring.oldest)",
                    ])
            }
            peers?.closeRevoked()
            deliver(.keysKept(problem == nil))
        }
    }

    private func keep(_ bytes: [UInt8], as what: String, with write: @escaping @Sendable ([UInt8]) -> ConfigError?) {
        workshop?.submit({ write(bytes) }) { [unowned self] problem in
            guard let problem else { return }
            logger.error(
                "what is known of the roster could not be kept", metadata: ["file": "\(what)", "reason": "\(problem)"])
        }
    }

    private func giveAnswers() {
        for (reply, answer) in answers { reply(answer) }
        answers.removeAll(keepingCapacity: true)
    }

    private func log(_ event: NodeEvent) {
        switch event {
        case .roleChanged(let role, let term, let leader):
            let name = leader.flatMap { brain.membership.member($0)?.name } ?? leader?.description ?? "none"
            let cause = brain.consensus.roleCause.map { "\($0)" } ?? "this node was started"
            logger.notice(
                "role changed",
                metadata: ["role": "\(role)", "term": "\(term)", "leader": "\(name)", "because": "\(cause)"])
        case .memberChanged(let member):
            peers?.keep(to: brain.membership.companions)
            logger.notice(
                "member changed",
                metadata: [
                    "member": "\(member.name)", "state": "\(member.state)", "incarnation": "\(member.incarnation)",
                ])
        case .applied(let index, let reply):
            logger.debug("applied", metadata: ["index": "\(index)", "reply": "\(reply)"])
        case .installed(let position):
            logger.notice("state replaced by the leader's snapshot", metadata: ["position": "\(position)"])
        case .snapshotRefused(let position):
            logger.error(
                "the leader's snapshot is not of this version; update this node",
                metadata: ["position": "\(position)"])
        case .diskFull: logger.error("the disk is full: writes are refused until there is space; elections go on")
        case .halted(let reason): logger.critical("halted: restart after repair", metadata: ["reason": "\(reason)"])
        }
    }
}

/// Who this node is to the mesh, and where it keeps what it knows of the others.
struct MembershipFiles: Sendable {
    let identity: Identity
    /// The genesis file's bytes.
    let genesis: [UInt8]
    /// Nil on an edge node.
    let coreKey: CoreKey?
    /// Nil on an edge node.
    let dataKeys: SharedDataKeys?
    /// The data directory.
    let data: String

    var keepRoster: @Sendable ([UInt8]) -> ConfigError? { { [data] in DataDirectory.replaceRoster(data, $0) } }
    var keepRevocations: @Sendable ([UInt8]) -> ConfigError? {
        { [data] in DataDirectory.replaceRevocations(data, $0) }
    }
}

/// A closure of the loop's own thread on its way through a table of Sendable ones. It never leaves that thread: the table is
/// the loop's, and what is left in it when the loop ends is answered there.
private struct UncheckedReply: @unchecked Sendable {
    let reply: (NodeAnswer) -> Void
}
