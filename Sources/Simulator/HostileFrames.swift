import Primitives
import SecureChannel

/// Two honest nodes and an attacker between them who has recorded everything they ever said: replays, mutates, splices
/// and invents frames, at whichever node and from whatever address, while the nodes talk, rekey, change the cluster's
/// secret and restart.
///
/// Nothing of it may open, move an address or stop the honest ones; and nobody unproven is answered with more than 0.63
/// of what was asked.
package struct HostileFrames: Sendable {
    package struct Report: Hashable, Sendable {
        package var hostile = 0
        package var replayed = 0
        package var restarts = 0
        package var rotations = 0
        package var honest = 0
        /// Hostile frames that opened. Zero in a correct channel, as are the next two.
        package var accepted = 0
        package var movedAddresses = 0
        package var lostHonest = 0
        package var answers = 0
        package var largestAnswerPermille = 0
        package var rejections: [FrameRejection: Int] = [:]
    }

    private struct Recorded: Sendable {
        let bytes: [UInt8]
        let to: Int
    }

    private static let recordedMax = 4096
    private static let cluster: [UInt8] = Array("hostile-frames-1".utf8)
    private static let ids = [NodeID(high: 1, low: 1), NodeID(high: 2, low: 2)]
    private static let addresses = [Endpoint(ipv4: 10, 0, 0, 1, port: 1), Endpoint(ipv4: 10, 0, 0, 2, port: 1)]

    private let seed: UInt64
    private var random: SeededRandom
    private var nodes: [PeerSessions] = []
    private var lives: [UInt64] = [0, 0]
    private var kept: [ChannelKeys?] = [nil, nil]
    /// All secrets in the order of the log, and how many of them each node has followed.
    private var drafts: [SecretRotationDraft] = []
    private var followed = [0, 0]
    private var recorded: [Recorded] = []
    private var now = Instant.zero + .seconds(1)
    private var message: UInt64 = 0
    private var report = Report()

    package init(seed: UInt64) {
        self.seed = seed
        random = SeededRandom(seed: seed)
        for node in 0...1 {
            nodes.append(makeNode(node))
        }
    }

    /// Lets `count` hostile frames arrive.
    package mutating func run(_ count: Int) -> Report {
        converse()
        while report.hostile < count {
            switch random.below(2000) {
            case 0: restart(random.below(2))
            case 1: now += .seconds(Int64(random.below(130)))
            case 2: rotate()
            case 3..<40: converse()
            default: attack()
            }
        }
        converse()
        return report
    }

    private func makeNode(_ node: Int) -> PeerSessions {
        PeerSessions(
            keys: kept[node] ?? .simulated(cluster: Self.cluster, nodes: Self.ids, me: node), bootEpoch: lives[node],
            entropy: SeededEntropy(seed: seed &+ lives[node] << 8 &+ UInt64(node)))
    }

    private mutating func restart(_ node: Int) {
        lives[node] += 1
        keep()
        nodes[node] = makeNode(node)
        report.restarts += 1
    }

    /// Both nodes get a new secret of the cluster, or one was away and has yet to be handed it. Who is there has followed the
    /// log through all that it missed.
    private mutating func rotate() {
        let epoch = Keyring.firstEpoch + UInt32(drafts.count) + 1
        var entropy = SeededEntropy(seed: random.next())
        let draft = SecretRotationDraft(
            epoch: epoch, cluster: Self.cluster,
            recipients: (0...1).map { node in
                (Self.ids[node], ChannelKeys.simulated(cluster: Self.cluster, nodes: Self.ids, me: node).publicKey)
            }, entropy: &entropy)
        drafts.append(draft)
        let absent = random.chance(1, in: 4) ? random.below(2) : nil
        for node in 0...1 where node != absent {
            for draft in drafts[followed[node]...] {
                guard let copy = draft.copies.first(where: { $0.node == Self.ids[node] }) else { continue }
                nodes[node].install(SealedCopy(epoch: draft.epoch, fingerprint: draft.fingerprint, sealed: copy.sealed))
            }
            followed[node] = drafts.count
            nodes[node].follow(active: epoch, oldest: epoch)
        }
        keep()
        report.rotations += 1
    }

    /// What is on the nodes' disks.
    private mutating func keep() {
        for node in 0...1 { if let changed = nodes[node].takeChangedKeys() { kept[node] = changed } }
    }

    // MARK: The honest

    /// One message each way, with hostile frames in between. What is under way is recorded, and not hostile until it has
    /// been delivered.
    private mutating func converse() {
        for from in [0, 1] {
            message += 1
            let payload = withUnsafeBytes(of: message) { Array($0) }
            // A restarted peer is noticed within two seconds of trying.
            var heard = false
            for _ in 0..<12 where !heard {
                heard = send(payload, from: from)
                guard !heard else { break }
                // The other one does not keep silent, either: who has yet to be handed a secret must ask for it.
                now += .milliseconds(300)
                _ = send([], from: 1 - from)
            }
            report.honest += 1
            if !heard { report.lostHonest += 1 }
        }
    }

    private mutating func send(_ payload: [UInt8], from: Int) -> Bool {
        nodes[from].tick(now: now)
        nodes[1 - from].tick(now: now)
        var frames: [Recorded] = []
        if let frame = nodes[from].seal(payload, kind: .raft, to: Self.ids[1 - from], now: now) {
            frames.append(Recorded(bytes: frame, to: 1 - from))
        }
        collect(from, into: &frames)
        collect(1 - from, into: &frames)
        var heard = false
        while !frames.isEmpty {
            let next = frames.removeFirst()
            let opened = try? nodes[next.to].open(next.bytes, from: Self.addresses[1 - next.to], now: now)
            if let frame = opened, frame.payload == payload { heard = true }
            collect(0, into: &frames)
            collect(1, into: &frames)
            record(next)
            if random.chance(1, in: 4) { attack() }
        }
        return heard
    }

    private mutating func collect(_ node: Int, into frames: inout [Recorded]) {
        for frame in nodes[node].takeOutbox() where frame.endpoint.map(Self.addresses.contains) ?? true {
            frames.append(Recorded(bytes: frame.bytes, to: 1 - node))
        }
    }

    private mutating func record(_ frame: Recorded) {
        if recorded.count == Self.recordedMax {
            recorded[random.below(recorded.count)] = frame
        } else {
            recorded.append(frame)
        }
    }

    // MARK: The attacker

    private mutating func attack() {
        guard !recorded.isEmpty else { return }
        let original = recorded[random.below(recorded.count)]
        var bytes = original.bytes
        if random.chance(1, in: 4) { report.replayed += 1 } else { mutate(&bytes) }
        let target = random.chance(1, in: 8) ? 1 - original.to : original.to
        let source =
            random.chance(1, in: 2)
            ? Self.addresses[1 - target] : Endpoint(ipv4: 203, 0, 113, UInt8(random.below(256)), port: 9)
        deliver(bytes, to: target, from: source)
    }

    private mutating func deliver(_ bytes: [UInt8], to node: Int, from source: Endpoint) {
        report.hostile += 1
        let path = nodes[node].path(to: Self.ids[1 - node])
        // What is under way between the honest stays theirs.
        let held = nodes[node].takeOutbox()
        do throws(FrameRejection) {
            if try nodes[node].open(bytes, from: source, now: now) != nil { report.accepted += 1 }
        } catch {
            report.rejections[error, default: 0] += 1
        }
        // Among others: no handshake is answered that is not newer than the last one that stood.
        nodes[node].checkInvariants()
        if nodes[node].path(to: Self.ids[1 - node]) != path { report.movedAddresses += 1 }
        for answer in nodes[node].takeOutbox() {
            report.answers += 1
            report.largestAnswerPermille = max(
                report.largestAnswerPermille, answer.bytes.count * 1000 / max(1, bytes.count))
            record(Recorded(bytes: answer.bytes, to: 1 - node))
        }
        precondition(held.isEmpty, "an honest frame was left behind")
    }

    private mutating func mutate(_ bytes: inout [UInt8]) {
        let other = recorded[random.below(recorded.count)].bytes
        switch random.below(9) {
        case 0...2: for _ in 0...random.below(3) { flip(&bytes) }
        case 3: bytes = Array(bytes.prefix(random.below(bytes.count + 1)))
        case 4: bytes += random.bytes(1 + random.below(40))
        case 5:
            let cut = random.below(min(bytes.count, other.count) + 1)
            bytes = Array(bytes.prefix(cut)) + other.dropFirst(cut)
        case 6:
            let start = random.below(bytes.count + 1)
            for place in start..<min(bytes.count, start + 16) { bytes[place] = UInt8(random.below(256)) }
        case 7: if !bytes.isEmpty { bytes[0] = UInt8(0x10 + random.below(6)) }
        default: bytes = random.bytes(random.below(1300))
        }
    }

    private mutating func flip(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        let bit = random.below(bytes.count * 8)
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
    }
}
