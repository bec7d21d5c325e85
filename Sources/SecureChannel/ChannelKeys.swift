import Primitives

/// What a node needs to speak with its peers: its own static key, theirs, and what the whole cluster shares.
package struct ChannelKeys: Sendable {
    package struct Peer: Hashable, Sendable {
        package let node: NodeID
        /// X25519, 32 bytes.
        package let exchangeKey: [UInt8]
        /// Its word counts about the cluster's secret.
        package let isCore: Bool

        package init(node: NodeID, exchangeKey: [UInt8], isCore: Bool = true) {
            precondition(
                exchangeKey.count == ExchangeKeyPair.byteCount, "an exchange key of \(exchangeKey.count) bytes")
            self.node = node
            self.exchangeKey = exchangeKey
            self.isCore = isCore
        }
    }

    /// What a handshake is for. It is part of the prologue: a message for one purpose is nothing for the other.
    enum Purpose: String {
        case datagrams
        case stream
    }

    package static let peersMax = 4096

    package let me: NodeID
    /// In order of their ids; a peer's place here is its number within the channel.
    package let peers: [Peer]
    let exchange: ExchangeKeyPair
    /// The cluster's secrets; handshakes name the epoch of theirs.
    package var keyring: Keyring
    /// This node may hand the cluster's secret over.
    let isCore: Bool
    private let clusterID: [UInt8]
    private let placesByNode: [NodeID: Int]
    private let placesByKey: [[UInt8]: Int]

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
        placesByNode = Dictionary(uniqueKeysWithValues: places.map { (others[$0].node, $0) })
        placesByKey = Dictionary(uniqueKeysWithValues: places.map { (others[$0].exchangeKey, $0) })
        clusterID = keyring.cluster
    }

    /// This node's own static key, public half.
    package var publicKey: [UInt8] { exchange.publicKey }

    func place(of node: NodeID) -> Int? { placesByNode[node] }
    func place(ofKey key: [UInt8]) -> Int? { placesByKey[key] }

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
