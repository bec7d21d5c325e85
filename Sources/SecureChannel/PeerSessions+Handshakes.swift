import Primitives

// How sessions are made. Cheap checks come first: length, the code that takes knowing this node's public key and the
// cluster, the budget, and only then the first multiplication on the curve.
extension PeerSessions {
    /// A session's index: the peer's place, so that it is found without a search, and a generation.
    static let placeBits: UInt32 = 12
    static let placeMask: UInt32 = 1 << placeBits - 1
    /// Close together at first, so that lost frames cost little; only the latest attempt is awaited, so the last
    /// interval must exceed the longest round trip. A peer that is called now and then only, a few attempts each time, gets
    /// there by what was given up before.
    private static func retryInterval(_ attempt: Int, givenUp: Int) -> Duration {
        switch max(attempt, [0, 9, 13][min(givenUp, 2)]) {
        case ...8: .milliseconds(250)
        case ...12: .milliseconds(500)
        case ...14: .seconds(1)
        default: .seconds(2)
        }
    }

    private mutating func makeIndex(_ place: Int) -> UInt32 {
        generation &+= 1
        return generation << Self.placeBits | UInt32(place)
    }

    // MARK: Initiator

    mutating func begin(_ place: Int, attempt: Int, now: Instant) {
        let index = makeIndex(place)
        handshakeCount += 1
        let payload = InitiationPayload(
            stamp: HandshakeStamp(bootEpoch: bootEpoch, counter: handshakeCount), epoch: keys.keyring.active,
            index: index)
        var handshake = NoiseHandshake(
            .ikpsk2, as: .initiator, prologue: keys.prologue(.datagrams), local: keys.exchange,
            remoteStatic: peers[place].exchangeKey, ephemeral: ExchangeKeyPair.generate(from: &entropy))
        // A peer whose key is of small order cannot be spoken with.
        guard let message = try? handshake.write(payload.encode()) else { return }
        var frame = [HandshakeFrame.Kind.initiation.rawValue] + message
        let code = HandshakeFrame.code(frame, key: peers[place].codeKey)
        frame += code
        if let cookie = peers[place].cookie, now - cookie.at < CookieJar.lifetime {
            frame += HandshakeFrame.code(frame, key: cookie.value)
        } else {
            frame += [UInt8](repeating: 0, count: HandshakeFrame.codeByteCount)
        }
        handshake.preSharedKeys = [keys.keyring.activeKey]
        let interval = Self.retryInterval(attempt, givenUp: peers[place].givenUp)
        peers[place].initiation = PeerChannel.Initiation(
            handshake: handshake, index: index, epoch: keys.keyring.active, code: code, sentAt: now, attempt: attempt,
            retryAt: now + interval)
        wake(at: now + interval)
        // By turns to the address that was proven last and to the one that membership knows.
        put(frame, to: place, at: attempt.isMultiple(of: 2) ? nil : peers[place].path)
    }

    mutating func complete(_ frame: [UInt8], from source: Endpoint?, now: Instant) throws(FrameRejection) {
        guard frame.count == HandshakeFrame.responseByteCount else { throw .malformed }
        guard HandshakeFrame.hasCode(frame, at: HandshakeFrame.responseCodeOffset, key: codeKey) else {
            throw .unauthentic
        }
        let index = HandshakeFrame.receiver(of: frame)
        let place = Int(index & Self.placeMask)
        guard place < peers.count, let initiation = peers[place].initiation, initiation.index == index else {
            throw .unknownSession
        }
        // A copy: a forged response leaves the handshake as it was.
        var handshake = initiation.handshake
        let message = Array(frame[HandshakeFrame.responseHeaderByteCount..<HandshakeFrame.responseCodeOffset])
        guard let payload = try? handshake.read(message), payload.count == 4 else { throw .unauthentic }
        let remoteIndex = payload.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        peers[place].promote(
            Session(
                localIndex: index, remoteIndex: remoteIndex, isInitiator: true, madeAt: now, keys: handshake.split(),
                epoch: initiation.epoch))
        wake(at: now + Session.receiveLimit)
        peers[place].noteHeard(directly: source != nil)
        // Whoever saw the response may have sent it on from elsewhere: it proves the address that stands, and no new one.
        if source == peers[place].path { peers[place].prove(source) }
        flush(place, showing: true, to: source, now: now)
    }

    mutating func keepCookie(_ frame: [UInt8], now: Instant) throws(FrameRejection) {
        guard frame.count == HandshakeFrame.cookieByteCount else { throw .malformed }
        let echo = frame[1..<9]
        guard let place = peers.indices.first(where: { peers[$0].initiation?.code.starts(with: echo) ?? false }),
            let code = peers[place].initiation?.code
        else { throw .unknownSession }
        let key = keys.cookieKey(of: peers[place].exchangeKey)
        guard let cookie = SealedBytes.open(Array(frame[9...]), key: key, context: code) else { throw .unauthentic }
        peers[place].cookie = (cookie, now)
    }

    // MARK: Responder

    mutating func answer(_ frame: [UInt8], from source: Endpoint?, now: Instant) throws(FrameRejection) {
        guard frame.count == HandshakeFrame.initiationByteCount else { throw .malformed }
        guard HandshakeFrame.hasCode(frame, at: HandshakeFrame.initiationCodeOffset, key: codeKey) else {
            throw .unauthentic
        }
        try admit(frame, from: source, now: now)
        var handshake = NoiseHandshake(
            .ikpsk2, as: .responder, prologue: keys.prologue(.datagrams), local: keys.exchange, remoteStatic: nil,
            ephemeral: ExchangeKeyPair.generate(from: &entropy))
        guard let bytes = try? handshake.read(Array(frame[1..<HandshakeFrame.initiationCodeOffset])),
            let payload = try? InitiationPayload(decoding: bytes), let key = handshake.remoteStatic
        else { throw .unauthentic }
        guard key != keys.exchange.publicKey else { throw .echoed }
        guard let place = keys.place(ofKey: key) else { throw .unknownPeer }
        let isRevoked = keys.revoked.contains(place)
        // It is told, once it has shown that it is the one; its own frames open nowhere.
        guard !isRevoked || (keys.isCore && peers[place].notice != nil) else { throw .unknownPeer }
        // A past secret is answered by a core node alone, which hands the present one over. Silence about one that is not
        // known here yet: a question of ours in return would be as long as the one that caused it, and perhaps a replay.
        guard let preSharedKey = keys.keyring.preSharedKey(of: payload.epoch),
            payload.epoch >= keys.keyring.oldest || keys.isCore
        else { throw .wrongEpoch }
        try judge(payload.stamp, of: place, now: now)
        handshake.preSharedKeys = [preSharedKey]
        let index = makeIndex(place)
        let indexBytes = (0..<4).map { UInt8(truncatingIfNeeded: index >> (8 * UInt32($0))) }
        guard let message = try? handshake.write(indexBytes) else { throw .unauthentic }
        let pending = PeerChannel.Pending(
            session: Session(
                localIndex: index, remoteIndex: payload.index, isInitiator: false, madeAt: now, keys: handshake.split(),
                epoch: payload.epoch),
            stamp: payload.stamp, source: source)
        if payload.epoch < keys.keyring.oldest || isRevoked {
            peers[place].errand = pending
        } else {
            peers[place].next = pending
        }
        wake(at: now + PeerChannel.pendingLimit)
        let receiver = (0..<4).map { UInt8(truncatingIfNeeded: payload.index >> (8 * UInt32($0))) }
        let response = [HandshakeFrame.Kind.response.rawValue] + receiver + message
        put(response + HandshakeFrame.code(response, key: peers[place].codeKey), to: place, at: source)
    }

    /// Newer than what stands and what is pending; and not while our own handshake has just left, if that goes first.
    private func judge(_ stamp: HandshakeStamp, of place: Int, now: Instant) throws(FrameRejection) {
        let peer = peers[place]
        guard stamp > peer.stamp else { throw .replayed }
        for pending in [peer.next, peer.errand] {
            guard let pending, now - pending.session.madeAt < PeerChannel.pendingLimit else { continue }
            guard stamp > pending.stamp else { throw .replayed }
        }
        if let initiation = peer.initiation, initiation.attempt == 1, now < initiation.retryAt, keys.me > peer.node {
            throw .outranked
        }
    }

    /// All handshakes that others pass on count as those of one source, which is asked for nothing.
    private static let passedOn = Endpoint(ipv4: 0, 0, 0, 0, port: 0)

    /// Asks for a cookie if this source, or all together, began too many handshakes.
    private mutating func admit(_ frame: [UInt8], from source: Endpoint?, now: Instant) throws(FrameRejection) {
        guard let source else {
            guard budget.take(Self.passedOn, hasCookie: false, now: now) else { throw .cookieRequired }
            return
        }
        let hasCookie = cookies.accepts(frame, from: source, now: now)
        guard !budget.take(source, hasCookie: hasCookie, now: now) else { return }
        if !hasCookie {
            let codeOffset = HandshakeFrame.initiationCodeOffset
            let code = Array(frame[codeOffset..<codeOffset + HandshakeFrame.codeByteCount])
            let cookie = cookies.bake(for: source, now: now, entropy: &entropy)
            let sealed = SealedBytes.seal(cookie, key: cookieKey, context: code, entropy: &entropy)
            let reply = [HandshakeFrame.Kind.cookie.rawValue] + code.prefix(8) + sealed
            // Nobody is proven to be there: the id is this node's own, and only the address counts.
            outbox.append(OutboundFrame(bytes: reply, node: keys.me, endpoint: source))
        }
        throw .cookieRequired
    }
}
