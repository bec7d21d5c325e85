import Primitives

/// What a node needs to speak with its peers: its own static key, theirs, and what the whole cluster shares.
package struct ChannelKeys: Sendable {
    package struct Peer: Hashable, Sendable {
        package let node: NodeID
        /// X25519, 32 bytes.
        package let exchangeKey: [UInt8]
        /// Its word counts about the cluster's secret.
        package let isCore: Bool
        /// Was a member and is none any more, for ever.
        package let isRevoked: Bool

        package init(node: NodeID, exchangeKey: [UInt8], isCore: Bool = true, isRevoked: Bool = false) {
            precondition(
                exchangeKey.count == ExchangeKeyPair.byteCount, "an exchange key of \(exchangeKey.count) bytes")
            self.node = node
            self.exchangeKey = exchangeKey
            self.isCore = isCore
            self.isRevoked = isRevoked
        }
    }

    /// What a handshake is for. It is part of the prologue: a message for one purpose is nothing for the other.
    enum Purpose: String {
        case datagrams
        case stream
    }

    package static let peersMax = 4096

    package let me: NodeID
    /// First in the order of their ids, later ones behind; a peer's place here is its number within the channel, and stays.
    package private(set) var peers: [Peer]
    /// Places of those who no longer belong to the mesh.
    private(set) var revoked: Set<Int>
    let exchange: ExchangeKeyPair
    /// The cluster's secrets; handshakes name the epoch of theirs.
    package var keyring: Keyring
    /// This node may hand the cluster's secret over.
    let isCore: Bool
    private let clusterID: [UInt8]
    private var placesByNode: [NodeID: Int]
    private var placesByKey: [[UInt8]: Int]

    /// `peers` may name this node as well. Traps if two share an id or a key.
    package init(cluster: ClusterKey, me: NodeID, exchange: ExchangeKeyPair, peers: [Peer]) {
        self.init(keyring: Keyring(cluster), me: me, exchange: exchange, peers: peers)
    }

    package init(keyring: Keyring, me: NodeID, exchange: ExchangeKeyPair, peers: [Peer]) {
        self.me = me
        self.keyring = keyring
        isCore = peers.first { $0.node == me }?.isCore ?? false
        self.exchange = exchange
        let others = peers.filter { $0.node != me }.sorted { $0.node < $1.node }
        precondition(others.count <= Self.peersMax, "\(others.count) peers exceed \(Self.peersMax)")
        self.peers = others
        let places = others.indices
        revoked = Set(places.filter { others[$0].isRevoked })
        placesByNode = Dictionary(uniqueKeysWithValues: places.map { (others[$0].node, $0) })
        placesByKey = Dictionary(uniqueKeysWithValues: places.map { (others[$0].exchangeKey, $0) })
        clusterID = keyring.cluster
    }

    /// This node's own static key, public half.
    package var publicKey: [UInt8] { exchange.publicKey }

    /// Nil for strangers and for who was revoked.
    func place(of node: NodeID) -> Int? { placesByNode[node].flatMap { revoked.contains($0) ? nil : $0 } }
    /// Whether it belongs to the mesh and is another node.
    package func knows(_ node: NodeID) -> Bool { place(of: node) != nil }

    /// Of revoked ones too.
    func place(ofKey key: [UInt8]) -> Int? { placesByKey[key] }

    /// Takes in who is new and who is revoked. Nobody is forgotten, and nobody comes back.
    package mutating func adopt(_ all: [Peer]) {
        for peer in all where peer.node != me {
            if placesByNode[peer.node] == nil, peers.count < Self.peersMax, placesByKey[peer.exchangeKey] == nil {
                placesByNode[peer.node] = peers.count
                placesByKey[peer.exchangeKey] = peers.count
                peers.append(peer)
            }
            if peer.isRevoked, let place = placesByNode[peer.node] { revoked.insert(place) }
        }
    }

    /// The same on both sides, or no handshake succeeds: version, purpose, and which cluster.
    func prologue(_ purpose: Purpose) -> [UInt8] {
        Array("meshnode channel 1 \(purpose.rawValue)".utf8) + Blake2b.hash(clusterID)
    }

    /// For the code that a message to the owner of `publicKey` must carry before anything is computed for it. No secret:
    /// it keeps out who does not know whom it talks to.
    func messageCodeKey(of publicKey: [UInt8]) -> [UInt8] {
        Blake2b.hash(Array("meshnode message code".utf8) + publicKey + clusterID)
    }

    func cookieKey(of publicKey: [UInt8]) -> SecretBytes {
        SecretBytes(copying: Blake2b.hash(Array("meshnode cookie".utf8) + publicKey + clusterID))
    }
}
