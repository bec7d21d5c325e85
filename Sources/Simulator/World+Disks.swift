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
        runAtOnce(operations, on: node)
    }

    mutating func runAtOnce(_ operations: [DiskOperation], on node: Int) {
        for operation in operations {
            nodes[node].disk.begin(operation)
            nodes[node].disk.finishSync(operation)
        }
    }

    /// Runs operations up to the next sync, which takes time.
    mutating func continueBatch(_ node: Int) {
        guard let batch = nodes[node].batch else { return }
        for position in batch.next..<batch.operations.count {
            let operation = batch.operations[position]
            nodes[node].disk.begin(operation)
            guard SimulatedDisk.isSync(operation) else { continue }
            nodes[node].batch?.next = position
            if !nodes[node].disk.isHung {
                let latency = random.duration(in: nodes[node].disk.syncLatency)
                queue.add(.diskStep(node, life: nodes[node].life), at: now + latency)
            }
            return
        }
        nodes[node].batch = nil
        step(node, .diskDone(write: batch.number))
    }

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
}
