/// Everything that can be made to go wrong in a world. Each class has a counter (`FaultCounts`) at the place where it
/// takes effect, not where it is switched on: a count says that a node met the fault.
package enum FaultClass: Int, CaseIterable, Sendable {
    // MARK: Network

    /// The network falls into groups; counted once a split.
    case partition
    /// One node is cut off from all others.
    case isolation
    /// One direction of a link is cut.
    case oneWayCut
    /// An arbitrary graph of links remains.
    case topology
    /// A link goes down as part of flapping.
    case flap
    /// A message ran into a cut link.
    case swallowed
    case loss
    /// A message took longer than any healthy link takes.
    case delay
    case duplication
    /// A datagram was held back, so that later ones overtook it.
    case reordering
    /// A link that carries nothing for a while and then everything at once.
    case clog
    /// A connection broke: what was under way on it is gone, and its sender is not told.
    case streamReset
    /// A connection stays open and carries nothing for a while.
    case streamStall
    /// Bits of a datagram changed under way.
    case corruption
    /// A datagram lost its end.
    case truncation
    /// A datagram recorded earlier came again.
    case replay
    /// A frame of another mesh arrived.
    case foreignFrame
    /// A datagram arrived at a node that it was not meant for.
    case misdelivery
    /// A datagram arrived from another address than its sender's, as through a relay or a rebound NAT.
    case strangeSource

    /// A datagram arrived seconds after those that were sent with it.
    case straggler
    /// A node spoke for the replica of another.
    case impersonation

    // MARK: Disk

    /// A sync took longer than any healthy one takes.
    case slowDisk
    /// A sync was not answered.
    case hungDisk
    /// A write found no space.
    case fullDisk
    /// A sync failed, and will fail for ever.
    case syncError
    /// A sync failed and dropped what it should have written; the next would succeed.
    case syncErrorOnce
    /// A power cut tore a write.
    case tornWrite
    /// A power cut lost changes that were not synced.
    case lostWrite
    /// A power cut kept a later change of a file and lost an earlier one; none of them was synced.
    case reorderedWrite
    /// A sync was reported as done, and nothing was made durable.
    case lostSync
    /// A write went to another place of the disk, and was reported as done.
    case misdirectedWrite
    case rotRecordBody
    case rotRecordHeader
    case rotIdentity
    case rotSegmentHeader
    case rotSlotA
    case rotSlotB
    /// A file could not be read when the node started.
    case readError
    /// A file lost its end while the node was down.
    case cutTail
    /// The disk is empty; configuration and keys are still there.
    case wipedDisk
    /// The disk went back to an older copy of itself.
    case rolledBackDisk

    // MARK: Clocks

    /// The machine's monotonic clock began elsewhere, as after a reboot.
    case clockRestart
    case driftFast
    case driftSlow
    case wallJumpForward
    case wallJumpBack
    /// The process stood still for less than an election takes, or a little more.
    case pause
    /// The process stood still for many seconds.
    case suspend
    /// A timer fired late, as on a machine without a free processor.
    case lateTimer

    // MARK: Processes

    case crash
    /// The process ended between two steps of one disk batch.
    case killInBatch
    /// The power went between two steps of one disk batch.
    case powerCutInBatch
    case powerCut
    case powerCutAll
    case restart
    /// A node came up long after it was started.
    case slowStart
    /// The power went while recovery was repairing the disk.
    case powerCutInRecovery
    /// A node came back with other parameters than before.
    case newConfiguration

    /// A process ended and began again at once.
    case bounce
    /// Someone asked for a node to be taken out of the configuration.
    case removal

    // MARK: Clients

    /// A client that was refused or told nothing asked again elsewhere.
    case retry
    /// A client asked two nodes for the same thing at once.
    case duplicateRequest
    /// A client went away before its answer.
    case abandonedRequest
    /// Many clients came at once.
    case burst

    /// As it is spelled here.
    package var name: String { "\(self)" }
}

/// How often each fault took effect.
package struct FaultCounts: Hashable, Sendable {
    private var counts = [Int](repeating: 0, count: FaultClass.allCases.count)

    package init() {}

    package subscript(fault: FaultClass) -> Int { counts[fault.rawValue] }

    mutating func note(_ fault: FaultClass, times: Int = 1) { counts[fault.rawValue] += times }

    package mutating func add(_ other: FaultCounts) {
        for place in counts.indices { counts[place] += other.counts[place] }
    }

    /// Those that occurred, in the order of `FaultClass.allCases`.
    package var occurred: [(fault: FaultClass, count: Int)] {
        zip(FaultClass.allCases, counts).filter { $0.1 > 0 }.map { (fault: $0.0, count: $0.1) }
    }
}
