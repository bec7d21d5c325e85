import Authority
import Gossip
import NodeCore
import Primitives
import Raft
import SecureChannel
import Testing

/// A few brains side by side, and whatever is between them in a test's own hands: datagrams are delivered, dropped,
/// repeated or forged one by one. Disks finish at once unless they are told to fail.
struct BrainPair {
    struct Letter {
        let from: Int
        let to: Int
        let bytes: [UInt8]
    }

    static let cluster: [UInt8] = Array("brain-pair-test1".utf8)
    static let key = ClusterKey(id: cluster, secret: SecretBytes(copying: Array(repeating: 5, count: 32)))

    /// Everybody's key pair follows from the id.
    static func keys(of me: NodeID, among ids: [NodeID], cluster: ClusterKey = key) -> ChannelKeys {
        func pair(_ id: NodeID) -> ExchangeKeyPair {
            ExchangeKeyPair(secret: SecretBytes(copying: Array(repeating: UInt8(id.low), count: 32)))
        }
        return ChannelKeys(
            cluster: cluster, me: me, exchange: pair(me),
            peers: ids.map { ChannelKeys.Peer(node: $0, exchangeKey: pair($0).publicKey) })
    }

    private(set) var now = Instant.zero + .seconds(100)
    var brains: [NodeBrain] = []
    var letters: [Letter] = []
    var answers: [RequestID: NodeAnswer] = [:]
    var halted: [Int] = []
    /// Replies of entries as each brain applied them.
    var applied: [[LogIndex: AuthorityReply]]
    /// Events that nobody keeps, as each brain handed them on.
    var broadcasts: [[(event: Broadcast, from: NodeID)]]
    var failingDisks: Set<Int> = []
    /// Their writes wait for `releaseDisk`.
    var slowDisks: Set<Int> = []
    private var heldWrites: [(write: UInt64, place: Int)] = []
    /// What is too large for datagrams is lost without being a finding.
    var dropsStreams = false
    let endpoints: [Endpoint]
    let ids: [NodeID]
    private var nextRequest: UInt64 = 1

    /// - Parameters:
    ///   - edges: the places of edge nodes; the others are core.
    ///   - kept: what each kept of revocations.
    init(_ count: Int, voters: Int? = nil, edges: Set<Int> = [], kept: [UInt8] = []) throws {
        ids = (1...count).map { NodeID(high: 7, low: UInt64($0)) }
        endpoints = (1...count).map { Endpoint(ipv4: 10, 0, 0, UInt8($0), port: 7946) }
        applied = Array(repeating: [:], count: count)
        broadcasts = Array(repeating: [], count: count)
        let ids = ids
        let genesis = Genesis(
            cluster: Self.cluster,
            members: (0..<count).map {
                Genesis.Member(
                    name: "n\($0 + 1)", node: ids[$0], replica: ReplicaID(UInt64($0 + 1)), rank: $0 == 0 ? 100 : 0,
                    isVoter: $0 < voters ?? count, trustClass: edges.contains($0) ? .edge : .core)
            })
        let roster = try #require(Roster(genesis))
        for place in 0..<count { try boot(place, roster: roster, kept: kept) }
    }

    /// A signature is zeros, whoever's.
    private mutating func boot(_ place: Int, roster: Roster, kept: [UInt8]) throws {
        let contacts = ids.indices.filter { $0 != place }.map {
            Contact(id: ids[$0], name: "n\($0 + 1)", endpoint: endpoints[$0])
        }
        let setup = NodeSetup(
            me: ids[place], name: "n\(place + 1)", endpoint: endpoints[place], bootEpoch: 1, roster: roster,
            contacts: contacts,
            descriptor: NodeDescriptor(
                http: endpoints[place], trustClass: .core, rank: 0, version: "test",
                verificationKey: Array(repeating: 0, count: 32), servesTLS: false),
            raft: RaftConfig.make(
                roster: roster, electionTimeout: .milliseconds(300), heartbeatInterval: .milliseconds(60)),
            gossip: GossipConfig(), keptRevocations: kept,
            sign: { _ in Array(repeating: 0, count: Notary.signatureBytes) },
            checkSignature: { signature, _, _ in signature.allSatisfy { $0 == 0 } })
        let replica = ReplicaID(UInt64(place + 1))
        let (_, operations) = WriteAheadLog.create(cluster: Self.cluster, replica: replica, geometry: .small)
        let recovery = try WriteAheadLog.recover(
            from: NewDirectory(operations), cluster: Self.cluster, replica: replica, geometry: .small)
        var effects: [NodeEffect] = []
        brains.append(
            NodeBrain(
                setup: setup, recovery: recovery,
                sealer: PeerSessions(
                    keys: Self.keys(of: ids[place], among: ids), bootEpoch: 1,
                    entropy: CountingEntropy(next: UInt8(place * 50))),
                random: SeededRandom(seed: UInt64(place * 977 + 31)), now: now, into: &effects))
        run(effects, of: place)
    }

    // MARK: Driving

    mutating func give(_ input: NodeInput, to place: Int) {
        var effects: [NodeEffect] = []
        brains[place].handle(input, now: now, into: &effects)
        brains[place].checkInvariants()
        run(effects, of: place)
    }

    private mutating func run(_ effects: [NodeEffect], of place: Int) {
        for effect in effects {
            switch effect {
            case .sendDatagram(let bytes, let endpoint):
                guard let to = endpoints.firstIndex(of: endpoint) else { continue }
                letters.append(Letter(from: place, to: to, bytes: bytes))
            case .sendStream(_, kind: .gossip, _, _): break
            case .sendStream: if !dropsStreams { Issue.record("nothing here is large") }
            case .disk(let write, _) where slowDisks.contains(place): heldWrites.append((write, place))
            case .disk(let write, _):
                give(failingDisks.contains(place) ? .diskFailed("test: no space") : .diskDone(write: write), to: place)
            case .answer(let request, let answer): answers[request] = answer
            case .event(.applied(let index, let reply)): applied[place][index] = reply
            case .event(.halted): halted.append(place)
            case .keepRoster, .keepRevocations: break
            case .broadcast(let event, let origin): broadcasts[place].append((event, origin))
            case .keepKeys: give(.keysKept(true), to: place)
            case .work(let work): give(.worked(work.run()), to: place)
            case .event: break
            }
        }
    }

    mutating func releaseDisk(_ place: Int) {
        slowDisks.remove(place)
        let writes = heldWrites.filter { $0.place == place }.map(\.write)
        heldWrites.removeAll { $0.place == place }
        for write in writes { give(.diskDone(write: write), to: place) }
    }

    mutating func deliver(_ letter: Letter) {
        give(.datagram(letter.bytes, from: endpoints[letter.from]), to: letter.to)
    }

    /// Delivers what the filter lets through, at once and in order, and drops the rest, while time passes.
    mutating func run(for span: Duration, where passes: (Letter) -> Bool = { _ in true }) {
        let end = now + span
        while now < end {
            for _ in 0..<1000 where !letters.isEmpty {
                let letter = letters.removeFirst()
                if passes(letter) { deliver(letter) }
            }
            now += .milliseconds(1)
            for place in brains.indices where brains[place].nextDeadline <= now {
                var effects: [NodeEffect] = []
                brains[place].tick(now: now, into: &effects)
                run(effects, of: place)
            }
        }
    }

    /// Lets time pass for nobody: as if every process were stopped.
    mutating func sleep(_ span: Duration) { now += span }

    // MARK: Asking

    mutating func submit(_ command: AuthorityCommand, to place: Int) -> RequestID {
        let request = RequestID(nextRequest)
        nextRequest += 1
        give(.submit(request, command), to: place)
        return request
    }

    mutating func readBarrier(at place: Int) -> RequestID {
        let request = RequestID(nextRequest)
        nextRequest += 1
        give(.readBarrier(request), to: place)
        return request
    }

    func isPrimary(_ place: Int) -> Bool { brains[place].makeView(at: now).isPrimary(at: now) }

    /// A value that only shows up once however often it is proposed: the entry it was stored by is its revision.
    static func put(_ text: String) throws -> AuthorityCommand {
        .putValue(
            key: try #require(ValueKey("key")), value: Array(text.utf8), condition: .none,
            author: try #require(UserName("test")))
    }

    func value(on place: Int) -> String? {
        guard let key = ValueKey("key"), let stored = brains[place].authority.values[key] else { return nil }
        return String(decoding: stored.bytes, as: UTF8.self)
    }

    /// How many entries stored a value on that brain.
    func storedCount(on place: Int) -> Int {
        applied[place].values.count { if case .stored = $0 { true } else { false } }
    }
}

/// Nonces that never repeat within a test.
struct CountingEntropy: Entropy {
    var next: UInt8
    private var counter: UInt64 = 0

    init(next: UInt8) { self.next = next }

    mutating func bytes(_ count: Int) -> [UInt8] {
        counter += 1
        return (0..<count).map { $0 < 8 ? UInt8(truncatingIfNeeded: counter >> (8 * UInt64($0))) : next }
    }
}

/// What a provisioned data directory holds before its node's first start.
private struct NewDirectory: DiskReader {
    struct MissingFile: Error {}
    private var files: [String: [UInt8]] = [:]

    init(_ operations: [DiskOperation]) {
        for case .write(let file, let offset, let bytes) in operations {
            var content = files[file] ?? []
            if content.count < offset + bytes.count {
                content += Array(repeating: 0, count: offset + bytes.count - content.count)
            }
            content.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            files[file] = content
        }
    }

    func fileNames() -> [String] { files.keys.sorted() }

    func read(_ file: String) throws -> [UInt8] {
        guard let content = files[file] else { throw MissingFile() }
        return content
    }
}
