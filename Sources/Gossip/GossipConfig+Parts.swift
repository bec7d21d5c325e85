import Primitives

extension GossipConfig {
    /// Parts of the protocol beyond SWIM that are no mere number.
    package struct Parts: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// Whoever is doubted hears so with the next ping or ack (Lifeguard §IV-C).
        package static let buddies = Parts(rawValue: 1)
        /// No verdict by who hears nobody, about who is heard, or after a pause of our own.
        package static let patience = Parts(rawValue: 2)
        /// Everyone probes a new suspect at once, and again while it is one.
        package static let lastChances = Parts(rawValue: 4)
        /// In a large mesh: each probes the next on the circle beside a random member.
        package static let neighbours = Parts(rawValue: 8)
        /// What no datagram answers is asked on a stream.
        package static let streams = Parts(rawValue: 16)
        /// Others' "dead" makes a member that we hold alive suspect only, so that it can still refute.
        package static let secondThoughts = Parts(rawValue: 32)
        /// A ping without an answer is repeated once, when others are asked.
        package static let repeats = Parts(rawValue: 64)
        package static let all: Parts = [
            .buddies, .patience, .lastChances, .neighbours, .streams, .secondThoughts, .repeats,
        ]
    }

    /// SWIM as memberlist runs it and as the Lifeguard paper measured it: fixed timeouts of 500 ms, suspicion for
    /// 5 s * log10(n), nothing of ours and nothing of Lifeguard's.
    package static var plainSWIM: GossipConfig {
        var config = lifeguard
        config.localHealthMax = 0
        config.suspicionMaxMultiplier = 1
        config.parts = []
        return config
    }

    /// The same with Lifeguard's three components (alpha 5, beta 6, S 8) and nothing of ours.
    package static var lifeguard: GossipConfig {
        var config = GossipConfig()
        config.smallMeshMembersMax = 0
        config.probeTimeoutFloor = .milliseconds(500)
        config.probeTimeoutInitial = .milliseconds(500)
        config.probeTimeoutMax = .milliseconds(500)
        config.suspicionMin = .seconds(5)
        config.parts = [.buddies]
        return config
    }
}
