import Primitives
import SecureChannel

/// Replayable randomness for tests.
struct SeededEntropy: Entropy {
    var random: SeededRandom
    init(seed: UInt64) { random = SeededRandom(seed: seed) }
    mutating func bytes(_ count: Int) -> [UInt8] { random.bytes(count) }
}

/// Hands out given bytes, for known answers.
struct FixedEntropy: Entropy {
    var supply: [UInt8]
    init(hex: String) { supply = unhex(hex) }
    mutating func bytes(_ count: Int) -> [UInt8] {
        defer { supply.removeFirst(count) }
        return Array(supply.prefix(count))
    }
}

/// Hexadecimal text of a test itself.
func unhex(_ text: String) -> [UInt8] {
    guard let bytes = Hex.decode(text) else { preconditionFailure("not hexadecimal: \(text)") }
    return bytes
}

func makeCluster(_ seed: UInt64 = 1) -> ClusterKey {
    var entropy = SeededEntropy(seed: seed)
    return ClusterKey.generate(from: &entropy)
}

let ada = NodeID(high: 0xADA, low: 0x1111_2222_3333_4444)
let bob = NodeID(high: 0xB0B, low: 0x5555_6666_7777_8888)
let eve = NodeID(high: 0xE4E, low: 0x9999_AAAA_BBBB_CCCC)

/// The key pair that a test's node has.
func makePair(_ node: NodeID) -> ExchangeKeyPair {
    var entropy = SeededEntropy(seed: node.high ^ node.low)
    return ExchangeKeyPair.generate(from: &entropy)
}

/// One node's keys for the channel; the roster lists `nodes`, each with its own pair.
func makeKeys(
    _ me: NodeID, among nodes: [NodeID] = [ada, bob, eve], cluster: ClusterKey = makeCluster()
) -> ChannelKeys {
    ChannelKeys(
        cluster: cluster, me: me, exchange: makePair(me),
        peers: nodes.map { ChannelKeys.Peer(node: $0, exchangeKey: makePair($0).publicKey) })
}
