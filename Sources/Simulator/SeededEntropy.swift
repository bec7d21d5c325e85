import Primitives
import SecureChannel

/// Keys and nonces of a simulated mesh, from its seed. A type of its own, here, so that no agent can be built with it.
struct SeededEntropy: Entropy {
    private var random: SeededRandom

    init(seed: UInt64) {
        random = SeededRandom(seed: seed ^ 0x5EA1_ED00_5EA1_ED00)
    }

    mutating func bytes(_ count: Int) -> [UInt8] { random.bytes(count) }
}
