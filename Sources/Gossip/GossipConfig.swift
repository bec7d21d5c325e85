import Primitives

/// Every number of the membership protocol. The defaults aim at a crash known to all of five nodes within half a second
/// and at about 400 bytes a second sent by an idle node.
package struct GossipConfig: Sendable {
    /// Between two probe rounds of a mesh too large to probe everyone (SWIM's T'). Shorter detects sooner and sends more.
    package var probeInterval: Duration = .seconds(1)
    /// Up to this many live members, us included, everyone probes everyone instead of one member a round.
    package var smallMeshMembersMax = 8
    /// In a small mesh: how long a peer may be silent before it is probed; any authentic payload from it counts as a sign
    /// of life, so that one exchange serves both ends. For up to five members; grows with the member count above.
    package var smallMeshProbeInterval: Duration = .milliseconds(735)
    /// The least time to wait for an ack, however near the member. Below a busy machine's scheduling delays (40-60 ms)
    /// healthy members would be doubted.
    package var probeTimeoutFloor: Duration = .milliseconds(80)
    /// The wait before the first round trip was measured.
    package var probeTimeoutInitial: Duration = .milliseconds(300)
    /// The longest wait, however far the member.
    package var probeTimeoutMax: Duration = .milliseconds(1500)
    /// How many others are asked to ping a silent member (SWIM's k).
    package var indirectProbes = 3
    /// The limit of the local health score (Lifeguard's S).
    package var localHealthMax = 8

    /// Suspicion in a small mesh: the countdown with all confirmations, times the local health multiplier.
    package var smallMeshSuspicionMin: Duration = .milliseconds(100)
    /// Suspicion in a small mesh: the countdown of an accusation that nobody confirms.
    package var smallMeshSuspicionMax: Duration = .seconds(3)
    /// Suspicion in a large mesh: min = this * max(1, log10 n), times the local health multiplier. Lifeguard's alpha
    /// times its probe interval; theirs is 5 s. It can be short where everyone probes a suspect at once, because a
    /// healthy one is then heard by all long before.
    package var suspicionMin: Duration = .milliseconds(600)
    /// Suspicion in a large mesh: max = this * min (Lifeguard's beta).
    package var suspicionMaxMultiplier = 6

    /// The least time between two rounds of gossip; accusations, refutations and goodbyes do not wait for it.
    package var gossipInterval: Duration = .milliseconds(200)
    /// How many random members a round goes to in a large mesh. A small mesh tells everyone.
    package var gossipFanout = 3
    /// Each piece of news is sent lambda * ceil(log10(n + 1)) times by each node of a large mesh.
    package var retransmitMultiplier = 4
    /// Up to this many live members an owner sends its sections to everyone itself, and nobody passes them on: every
    /// member receives each byte once. Above, they spread like other news.
    package var directSectionMembersMax = 64

    /// A section that is replaced sooner than this is told by its owner alone, unsigned; one that stands for so long is
    /// signed, so that others can pass it on.
    package var sectionSettleTime: Duration = .seconds(5)
    /// A section that never stands still is signed all the same once its signed content is as old as this.
    package var sectionSignatureAgeMax: Duration = .seconds(60)
    /// Between two tellings of unsigned sections to one peer, in the long run; three can follow each other at once. Longer
    /// where rides on probes carry them (small meshes), and in a mesh that is too large to tell everyone directly
    /// everything. Raising it saves datagrams and lets what others hold grow older.
    package var tellingInterval: Duration = .seconds(2)

    /// The least time between two digest exchanges that this node starts, for up to eight members in the offer; grows
    /// with their number, unless the last one brought what was wholly unknown. Exchanges start only when an ack shows that
    /// the tables differ.
    package var antiEntropyInterval: Duration = .seconds(1)
    /// Pages of one offer, of up to `payloadBytesMax`; the next offer goes on where it ended.
    package var digestPagesMax = 8
    /// Payloads sent in answer to one digest; what is left follows in the next exchange.
    package var deltaPayloadsMax = 32

    /// One contact that is dead or was never heard is called each interval, in turn, for ever: this heals partitions.
    package var contactInterval: Duration = .seconds(1)
    /// Being late by this much means that we were stopped, and that others' silence meanwhile proves nothing.
    package var pauseMin: Duration = .milliseconds(100)

    /// The largest payload: sealed, it fits the datagrams that narrow paths carry whole, 1096 bytes.
    package var payloadBytesMax = 1066
    /// The largest ping or ack, so that sealed ones stay within 256 bytes and refute even where large frames are lost.
    package var probePayloadBytesMax = 226
    /// What a ping or ack has room for beside its kind, number and checksum.
    var companionBytesMax: Int { probePayloadBytesMax - 14 }
    /// Members known, dead ones included. Beyond, unknown ones replace the longest dead, or are refused.
    package var membersMax = 1024
    /// Pings under way for others.
    package var relaysMax = 64

    /// What is switched on; experiments tell by it what each part is worth.
    package var parts = Parts.all

    package init() {}

    func validate() {
        precondition(probeTimeoutFloor > .zero && probeTimeoutFloor <= probeTimeoutMax, "probe timeouts out of order")
        precondition(
            payloadBytesMax >= Section.bytesMax + 104, "payload limit \(payloadBytesMax) cannot hold a section")
        precondition(payloadBytesMax <= 65_000, "payload limit \(payloadBytesMax) exceeds a datagram")
        precondition(probePayloadBytesMax >= 197, "probe limit \(probePayloadBytesMax) cannot hold an introduction")
        precondition(smallMeshSuspicionMin <= smallMeshSuspicionMax, "suspicion timeouts out of order")
        precondition(membersMax >= 2 && gossipFanout > 0 && relaysMax > 0, "a limit is zero")
    }
}
