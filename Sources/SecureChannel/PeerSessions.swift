import Primitives

/// All of a node's sessions over datagrams, one peer each: Noise IKpsk2 handshakes, transport frames under counters,
/// rekeying, and the defences of a responder that anybody can write to (after WireGuard's whitepaper, §5 and §6).
///
/// A session is made when something is to be sent; until it stands, frames wait. It is replaced every two minutes, when
/// the peer was silent for a second (it may have been restarted), and when the peer makes a new one. What an unproven
/// sender can cause is an answer smaller than its message, and nothing else: an answered handshake displaces no session,
/// address or handshake of ours until a frame under it authenticates, which a replayed one never does.
package struct PeerSessions: FrameSealer {
    /// First the tags of `FrameKind`, then the channel's own.
    private enum ControlKind: UInt8 {
        /// Says nothing; shows that the session stands.
        case confirmation = 0x80
        case pathChallenge = 0x81
        case pathResponse = 0x82
        /// The cluster's present secret, for who was away when it changed: epoch 4, secret 32.
        case handOver = 0x83
        /// The peer is revoked: the record that says so.
        case notice = 0x84
    }

    private static let challengeByteCount = 8
    private static let challengeInterval: Duration = .milliseconds(250)

    var keys: ChannelKeys
    var hasChangedKeys = false
    var notice: [UInt8]?
    let bootEpoch: UInt64
    let codeKey: [UInt8]
    let cookieKey: SecretBytes
    var entropy: any Entropy
    var peers: [PeerChannel]
    var outbox: [OutboundFrame] = []
    var cookies = CookieJar()
    var budget = HandshakeBudget()
    var handshakeCount: UInt64 = 0
    /// Tells the sessions with one peer apart within their indices; starts anywhere.
    var generation: UInt32
    package private(set) var nextDeadline: Instant = .distantFuture

    /// `bootEpoch` must grow with every start of this node: others refuse handshakes of an earlier start.
    package init(keys: ChannelKeys, bootEpoch: UInt64, entropy: any Entropy) {
        self.keys = keys
        self.bootEpoch = bootEpoch
        self.entropy = entropy
        codeKey = keys.messageCodeKey(of: keys.exchange.publicKey)
        cookieKey = keys.cookieKey(of: keys.exchange.publicKey)
        peers = keys.peers.map { PeerChannel($0, codeKey: keys.messageCodeKey(of: $0.exchangeKey)) }
        generation = self.entropy.bytes(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    package var overhead: Int { Session.overhead }
    package var keyring: Keyring? { keys.keyring }
    package var hasOutbox: Bool { !outbox.isEmpty }

    package mutating func takeOutbox() -> [OutboundFrame] {
        defer { outbox.removeAll(keepingCapacity: true) }
        return outbox
    }

    package func path(to node: NodeID) -> Endpoint? { keys.place(of: node).flatMap { peers[$0].path } }

    package func checkInvariants() {
        keys.keyring.checkInvariants()
        for peer in peers { peer.checkInvariants() }
    }

    // MARK: Sending

    /// Traps on a payload beyond the frame: the senders above know their budget. What is for a stranger is lost.
    package mutating func seal(_ payload: [UInt8], kind: FrameKind, to recipient: NodeID, now: Instant) -> [UInt8]? {
        guard let place = keys.place(of: recipient) else { return nil }
        if peers[place].needsHandshake(at: now) {
            if peers[place].initiation == nil { begin(place, attempt: 1, now: now) }
            peers[place].initiation?.isWanted = true
        }
        guard peers[place].maySend(at: now) else {
            peers[place].wait(payload, kind)
            return nil
        }
        peers[place].noteSent(at: now)
        return peers[place].current?.seal(kind: kind.rawValue, payload: payload)
    }

    package func hasSession(with peer: NodeID, at now: Instant) -> Bool {
        keys.place(of: peer).map { peers[$0].maySend(at: now) } ?? false
    }

    /// The session with this peer stands: send what waited, or at least show the peer that it does.
    mutating func flush(_ place: Int, showing isNeeded: Bool, to endpoint: Endpoint?, now: Instant) {
        let waiting = peers[place].waiting
        peers[place].waiting = []
        for (kind, payload) in waiting {
            peers[place].noteSent(at: now)
            put(peers[place].current?.seal(kind: kind.rawValue, payload: payload), to: place, at: endpoint)
        }
        if waiting.isEmpty, isNeeded { sendControl(.confirmation, [], to: place, at: endpoint) }
    }

    private mutating func sendControl(_ kind: ControlKind, _ payload: [UInt8], to place: Int, at endpoint: Endpoint?) {
        put(peers[place].current?.seal(kind: kind.rawValue, payload: payload), to: place, at: endpoint)
    }

    mutating func put(_ bytes: [UInt8]?, to place: Int, at endpoint: Endpoint?) {
        guard let bytes else { return }
        outbox.append(OutboundFrame(bytes: bytes, node: peers[place].node, endpoint: endpoint))
    }

    // MARK: Receiving

    package mutating func open(
        _ frame: [UInt8], from source: Endpoint?, now: Instant
    ) throws(FrameRejection) -> OpenedFrame? {
        guard let first = frame.first, let kind = HandshakeFrame.Kind(rawValue: first) else { throw .malformed }
        switch kind {
        case .transport: return try openTransport(frame, from: source, now: now)
        case .initiation: try answer(frame, from: source, now: now)
        case .response: try complete(frame, from: source, now: now)
        case .cookie: try keepCookie(frame, now: now)
        }
        return nil
    }

    private mutating func openTransport(
        _ frame: [UInt8], from source: Endpoint?, now: Instant
    ) throws(FrameRejection) -> OpenedFrame? {
        let countMax = source == nil ? Session.passedOnByteCountMax : Session.frameByteCountMax
        guard (Session.overhead...countMax).contains(frame.count) else { throw .malformed }
        let index = HandshakeFrame.receiver(of: frame)
        let place = Int(index & Self.placeMask)
        guard place < peers.count else { throw .unknownSession }
        if peers[place].errand?.session.localIndex == index {
            try runErrand(frame, of: place, source: source, now: now)
            return nil
        }
        let (tag, payload, isNewest) = try open(frame, index: index, of: place, source: source, now: now)
        peers[place].noteHeard(directly: source != nil)
        if let source, source != peers[place].path, isNewest { challenge(place, at: source, now: now) }
        if let control = ControlKind(rawValue: tag) {
            handle(control, payload, from: place, source: source, now: now)
            return nil
        }
        guard let kind = FrameKind(rawValue: tag) else { throw .malformed }
        return OpenedFrame(peer: AuthenticatedPeer(node: peers[place].node), kind: kind, payload: payload)
    }

    /// Opens with whichever session has this index; a pending one thereby stands.
    private mutating func open(
        _ frame: [UInt8], index: UInt32, of place: Int, source: Endpoint?, now: Instant
    ) throws(FrameRejection) -> (kind: UInt8, payload: [UInt8], isNewest: Bool) {
        if peers[place].isCurrent(index, at: now) {
            let before = peers[place].current?.highestReceived ?? 0
            // In place: a copy of the session at this moment would make the window be copied for each frame.
            guard let opened = try peers[place].current?.open(frame) else { throw .unknownSession }
            return (opened.kind, opened.payload, peers[place].current?.highestReceived ?? 0 > before)
        }
        if let session = peers[place].previous, session.localIndex == index {
            guard now - session.madeAt < Session.receiveLimit else { throw .unknownSession }
            var copy = session
            let opened = try copy.open(frame)
            peers[place].previous = copy
            return (opened.kind, opened.payload, false)
        }
        guard let pending = peers[place].next, pending.session.localIndex == index,
            now - pending.session.madeAt < PeerChannel.pendingLimit
        else { throw .unknownSession }
        var copy = pending.session
        let opened = try copy.open(frame)
        peers[place].next?.session = copy
        peers[place].confirmNext()
        // The peer received at this address what only it could open, and has now written from it.
        if source == pending.source { peers[place].prove(source) }
        flush(place, showing: false, to: source, now: now)
        return (opened.kind, opened.payload, true)
    }

    // MARK: Paths

    /// An authentic, new frame came from elsewhere. Before anything goes there, the peer must show that it receives
    /// there: what is sent for that is at most three times what came, and not often.
    private mutating func challenge(_ place: Int, at endpoint: Endpoint, now: Instant) {
        if let last = peers[place].challenge, now - last.sentAt < Self.challengeInterval { return }
        let token = entropy.bytes(Self.challengeByteCount)
        peers[place].challenge = PeerChannel.PathChallenge(endpoint: endpoint, token: token, sentAt: now)
        sendControl(.pathChallenge, token, to: place, at: endpoint)
    }

    private mutating func handle(
        _ kind: ControlKind, _ payload: [UInt8], from place: Int, source: Endpoint?, now: Instant
    ) {
        switch kind {
        case .confirmation: break
        case .pathChallenge:
            guard payload.count == Self.challengeByteCount, let source else { return }
            sendControl(.pathResponse, payload, to: place, at: source)
        case .pathResponse:
            guard let challenge = peers[place].challenge, challenge.endpoint == source,
                constantTimeEquals(challenge.token, payload)
            else { return }
            peers[place].prove(source)
        case .handOver: takeOver(payload, from: place, now: now)
        case .notice: if peers[place].isCore { notice = payload }
        }
    }

    // MARK: Errands

    private static let handOverInterval: Duration = .milliseconds(250)

    /// Whatever a peer says under a past secret, it hears the present one; whatever a revoked one says, that it is revoked.
    /// What it said is lost.
    private mutating func runErrand(
        _ frame: [UInt8], of place: Int, source: Endpoint?, now: Instant
    ) throws(FrameRejection) {
        guard var errand = peers[place].errand, now - errand.session.madeAt < PeerChannel.pendingLimit else {
            throw .unknownSession
        }
        _ = try errand.session.open(frame)
        peers[place].stamp = max(peers[place].stamp, errand.stamp)
        defer { peers[place].errand = errand }
        if let last = peers[place].handedOverAt, now - last < Self.handOverInterval { return }
        peers[place].handedOverAt = now
        if let notice = peers[place].notice {
            return put(errand.session.seal(kind: ControlKind.notice.rawValue, payload: notice), to: place, at: source)
        }
        var payload = Keyring.bytes(keys.keyring.active) + keys.keyring.activeSecret.withUnsafeBytes(Array.init)
        put(errand.session.seal(kind: ControlKind.handOver.rawValue, payload: payload), to: place, at: source)
        SecretBytes.erase(&payload)
    }

    /// The cluster's secret has changed while this node was away. Only a core node's word counts, and it proved both who
    /// it is and that it knew the secret that this node knows.
    private mutating func takeOver(_ payload: [UInt8], from place: Int, now: Instant) {
        guard peers[place].isCore, payload.count == 4 + ClusterKey.secretByteCount,
            let epoch = Keyring.epoch(Array(payload.prefix(4)))
        else { return }
        var raw = Array(payload.dropFirst(4))
        let isNew = keys.keyring.install(SecretBytes(copying: raw), epoch: epoch)
        SecretBytes.erase(&raw)
        if keys.keyring.activate(epoch) || isNew { hasChangedKeys = true }
        // The session was an errand of ours: on the other side it leads nowhere.
        if let session = peers[place].current, session.epoch < keys.keyring.active {
            peers[place].current = nil
            peers[place].previous = nil
        }
        for place in peers.indices {
            guard let initiation = peers[place].initiation, initiation.epoch < keys.keyring.active else { continue }
            begin(place, attempt: 1, now: now)
        }
        if peers[place].initiation == nil { begin(place, attempt: 1, now: now) }
    }

    // MARK: Time

    package mutating func tick(now: Instant) {
        guard now >= nextDeadline else { return }
        nextDeadline = .distantFuture
        for place in peers.indices {
            wake(at: peers[place].expire(at: now))
            guard let initiation = peers[place].initiation else { continue }
            if initiation.retryAt > now {
                wake(at: initiation.retryAt)
            } else if initiation.isWanted || (!peers[place].waiting.isEmpty && initiation.attempt < 3) {
                begin(place, attempt: initiation.attempt + 1, now: now)
            } else {
                peers[place].giveUp()
            }
        }
    }

    mutating func wake(at instant: Instant) { nextDeadline = min(nextDeadline, instant) }
}
