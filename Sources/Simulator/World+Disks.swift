import NodeCore
import Primitives
import Raft

// How brains write: one batch of operations at a time, where only syncs take time.
extension World {
    /// Small files, so that logs grow across many of them and recovery reads little.
    static let geometry = WALGeometry.small

    mutating func provisionDisk(of node: Int) {
        let (_, operations) = WriteAheadLog.create(
            cluster: Provision.cluster, replica: nodes[node].replica, geometry: Self.geometry)
        _ = runAtOnce(operations, on: node)
    }

    /// Returns why it failed, or nil.
    mutating func runAtOnce(_ operations: some Sequence<DiskOperation>, on node: Int) -> SimulatedDisk.Failure? {
        for operation in operations {
            if let failure = nodes[node].disk.failure(of: operation) { return failure }
            nodes[node].disk.begin(operation)
            nodes[node].disk.finishSync(operation)
        }
        return nil
    }

    /// Runs operations up to the next sync, which takes time.
    mutating func continueBatch(_ node: Int) {
        guard let batch = nodes[node].batch else { return }
        let isWatched = nodes[node].doom != nil || nodes[node].disk.trouble != nil
        for position in batch.next..<batch.operations.count {
            var operation = batch.operations[position]
            if isWatched, isInterrupted(node, before: &operation) { return }
            nodes[node].disk.begin(operation)
            guard SimulatedDisk.isSync(operation) else { continue }
            nodes[node].batch?.next = position
            scheduleSync(of: node)
            return
        }
        nodes[node].batch = nil
        step(node, .diskDone(write: batch.number))
    }

    private mutating func scheduleSync(of node: Int) {
        guard !nodes[node].disk.isHung else { return faults.note(.hungDisk) }
        let latency = random.duration(in: nodes[node].disk.syncLatency)
        if latency > Self.healthySyncMax { faults.note(.slowDisk) }
        queue.add(.diskStep(node, life: nodes[node].life), at: now + latency)
    }

    private static let healthySyncMax = SimulatedDisk().syncLatency.upperBound

    mutating func finishSync(_ node: Int) {
        guard let batch = nodes[node].batch, !nodes[node].disk.isHung else { return }
        nodes[node].disk.finishSync(batch.operations[batch.next])
        nodes[node].batch?.next += 1
        continueBatch(node)
    }

    /// A hung disk answers again: the sync it sat on completes.
    mutating func setDiskHung(_ isHung: Bool, node: Int) {
        let wasHung = nodes[node].disk.isHung
        nodes[node].disk.isHung = isHung
        // What waited before the hang was dropped with it, so the sync that is under way is looked at now.
        if wasHung, !isHung, nodes[node].batch != nil {
            queue.add(.diskStep(node, life: nodes[node].life), at: now)
        }
    }

    // MARK: Interruptions

    /// The end of the process, or of the disk's help, in the middle of a batch.
    private mutating func isInterrupted(_ node: Int, before operation: inout DiskOperation) -> Bool {
        if let doom = nodes[node].doom {
            if doom.operations == 0 {
                faults.note(doom.cutsPower ? .powerCutInBatch : .killInBatch)
                stop(node, cutsPower: doom.cutsPower)
                return true
            }
            nodes[node].doom?.operations -= 1
        }
        if let failure = nodes[node].disk.failure(of: operation) {
            let number = nodes[node].batch?.number ?? 0
            nodes[node].batch = nil
            switch failure {
            case .full: step(node, .diskFull(write: number))
            case .broken(let reason): step(node, .diskFailed(reason))
            }
            return true
        }
        operation = nodes[node].disk.misdirect(operation, random: &random)
        return false
    }

    /// Ends the process, or its power, after so many more disk operations.
    package mutating func doom(_ node: Int, afterOperations operations: Int, cutsPower: Bool) {
        guard nodes[node].isRunning else { return }
        nodes[node].doom = SimulatedNode.Doom(operations: operations, cutsPower: cutsPower)
    }

    /// The disk works as it should again; what it holds stays as it is.
    mutating func mendDisk(of node: Int, reordersWrites: Bool = false) {
        setDiskHung(false, node: node)
        nodes[node].disk.syncLatency = SimulatedDisk().syncLatency
        let isLying = nodes[node].disk.trouble?.isLying == true
        changeTrouble(of: node) {
            $0 = DiskTrouble()
            $0.reordersWrites = reordersWrites
            // Still lying: what was never written does not become durable because the disk is honest from now on.
            $0.isLying = isLying
        }
    }

    mutating func changeTrouble(of node: Int, _ change: (inout DiskTrouble) -> Void) {
        var trouble = nodes[node].disk.trouble ?? DiskTrouble()
        change(&trouble)
        nodes[node].disk.trouble = trouble == DiskTrouble() ? nil : trouble
    }
}
