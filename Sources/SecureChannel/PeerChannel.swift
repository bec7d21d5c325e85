import Primitives

/// Everything between this node and one peer: the sessions that stand, the handshake under way, the address that was
/// proven, and the few frames that wait.
///
///     next      we answered an initiation; nothing came under it yet. Displaces nothing until then.
///     errand    the same under a past secret of the cluster: gets the present one, and nothing else
///     current   what we send with
///     previous  still opens what was under way
struct PeerChannel: Sendable {
    /// A handshake that we began.
    struct Initiation: Sendable {
        let handshake: NoiseHandshake
        let index: UInt32
        let epoch: UInt32
        let code: [UInt8]
        let sentAt: Instant
        let attempt: Int
        let retryAt: Instant
        /// Somebody wanted to send since.
        var isWanted = false
    }

    struct Pending: Sendable {
        var session: Session
        let stamp: HandshakeStamp
        let source: Endpoint?
    }

    struct PathChallenge: Sendable {
        let endpoint: Endpoint
        let token: [UInt8]
        let sentAt: Instant
    }

    /// Frames that wait for a session; the oldest goes when one too many comes.
    static let waitingMax = 16
    /// An answered handshake of which nothing more is heard.
    static let pendingLimit: Duration = .seconds(10)
    /// A peer that does not answer may have been restarted, and lost its keys.
    static let silenceLimit: Duration = .seconds(1)
    static let pathSilenceLimit: Duration = .seconds(2)

    let node: NodeID
    let exchangeKey: [UInt8]
    let codeKey: [UInt8]
    let isCore: Bool
    var current: Session?
    var previous: Session?
    var next: Pending?
    var errand: Pending?
    /// The peer is revoked: all that it is told.
    var notice: [UInt8]?
    /// When the last errand was answered.
    var handedOverAt: Instant?
    var initiation: Initiation?
    /// How often in a row a handshake of ours was given up: over long paths and at overloaded peers answers take longer than
    /// the first attempts wait.
    private(set) var givenUp = 0
    var waiting: [(kind: FrameKind, payload: [UInt8])] = []
    /// Of the newest handshake of this peer under which a frame has come.
    var stamp = HandshakeStamp.none
    /// Where it was proven to receive; nil means where membership says.
    var path: Endpoint?
    var challenge: PathChallenge?
    var cookie: (value: [UInt8], at: Instant)?
    /// When the first frame left that nothing has answered, and the same for the proven path.
    private(set) var unansweredSince: Instant?
    private var pathUnansweredSince: Instant?

    init(_ peer: ChannelKeys.Peer, codeKey: [UInt8]) {
        node = peer.node
        exchangeKey = peer.exchangeKey
        isCore = peer.isCore
        self.codeKey = codeKey
    }

    func maySend(at now: Instant) -> Bool { current?.maySend(at: now) ?? false }

    func isCurrent(_ index: UInt32, at now: Instant) -> Bool {
        current.map { $0.localIndex == index && now - $0.madeAt < Session.receiveLimit } ?? false
    }

    func needsHandshake(at now: Instant) -> Bool {
        guard let current, current.maySend(at: now), !current.wantsRekey(at: now) else { return true }
        return unansweredSince.map { now - $0 >= Self.silenceLimit } ?? false
    }

    mutating func wait(_ payload: [UInt8], _ kind: FrameKind) {
        if waiting.count == Self.waitingMax { waiting.removeFirst() }
        waiting.append((kind, payload))
    }

    mutating func noteSent(at now: Instant) {
        if unansweredSince == nil { unansweredSince = now }
        if pathUnansweredSince == nil { pathUnansweredSince = now }
        if let since = pathUnansweredSince, now - since >= Self.pathSilenceLimit { path = nil }
    }

    /// An authentic frame came, directly or through a relay.
    mutating func noteHeard(directly: Bool) {
        unansweredSince = nil
        if directly { pathUnansweredSince = nil }
    }

    mutating func prove(_ endpoint: Endpoint?) {
        guard let endpoint else { return }
        path = endpoint
        pathUnansweredSince = nil
        challenge = nil
    }

    /// A session that both sides have shown to hold takes the place of the one before.
    mutating func promote(_ session: Session) {
        previous = current
        current = session
        initiation = nil
        givenUp = 0
        unansweredSince = nil
    }

    /// Nobody answered, and nobody wants to know any more.
    mutating func giveUp() {
        initiation = nil
        waiting = []
        givenUp += 1
    }

    mutating func confirmNext() {
        guard let pending = next else { preconditionFailure("no session of \(node) is pending") }
        next = nil
        stamp = pending.stamp
        promote(pending.session)
    }

    /// Whoever it was is spoken with no longer.
    mutating func forgetSessions() {
        (current, previous, next, errand) = (nil, nil, nil, nil)
        (initiation, challenge, path) = (nil, nil, nil)
        waiting = []
    }

    /// Forgets keys that are out of use. Returns when to look again.
    mutating func expire(at now: Instant) -> Instant {
        if let session = current, now - session.madeAt >= Session.receiveLimit { current = nil }
        if let session = previous, now - session.madeAt >= Session.receiveLimit { previous = nil }
        if let pending = next, now - pending.session.madeAt >= Self.pendingLimit { next = nil }
        if let pending = errand, now - pending.session.madeAt >= Self.pendingLimit { errand = nil }
        var due = Instant.distantFuture
        for session in [current, previous] {
            if let session { due = min(due, session.madeAt + Session.receiveLimit) }
        }
        for pending in [next, errand] {
            if let pending { due = min(due, pending.session.madeAt + Self.pendingLimit) }
        }
        return due
    }

    func checkInvariants() {
        precondition(waiting.count <= Self.waitingMax, "\(waiting.count) frames wait for \(node)")
        precondition(previous == nil || current != nil, "\(node) has a previous session and no current one")
        if let next { precondition(next.stamp > stamp, "a pending handshake of \(node) is not newer than the last") }
    }
}
