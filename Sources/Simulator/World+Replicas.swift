import NodeCore
import Primitives
import Raft

// Disks that are lost, and programs of other versions.
extension World {
    /// A new disk in a machine that is down: its configuration and keys are as before, and it comes back as
    /// another replica.
    package mutating func wipe(_ node: Int) {
        precondition(!nodes[node].isRunning, "\(nodes[node].name) runs; stop it first")
        nodes[node].disk.wipe()
    }

    func recoverLog(of node: Int) throws(WALError) -> WALRecovery {
        try WriteAheadLog.recover(
            from: nodes[node].disk, cluster: Provision.cluster, replica: nodes[node].replica, geometry: Self.geometry)
    }

    /// Its promises are lost: as an agent would, it goes on under an id that never was.
    mutating func becomeAnotherReplica(_ node: Int) throws(StartRefusal) -> WALRecovery {
        if !planted(.wipedDiskKeepsItsName) { nodes[node].replica = ReplicaID(random.next()) }
        let names = (try? nodes[node].disk.fileNames()) ?? []
        let (_, operations) = WriteAheadLog.replace(
            fileNames: names, cluster: Provision.cluster, replica: nodes[node].replica, geometry: Self.geometry)
        if let failure = runAtOnce(operations, on: node) {
            throw StartRefusal(reason: "its disk is \(failure)", isExcused: true)
        }
        do throws(WALError) { return try recoverLog(of: node) } catch { throw StartRefusal(reason: "\(error)") }
    }

    /// From its next start on the node runs a program that understands this much.
    package mutating func install(_ level: FeatureLevel, on node: Int) { nodes[node].featureLevel = level }

    package func replica(of node: Int) -> ReplicaID { nodes[node].replica }

    /// Why the node's brain takes part no longer; nil while it does.
    package func haltReason(of node: Int) -> String? { nodes[node].brain?.haltReason }

    package func answer(to request: RequestID) -> NodeAnswer? { answers[request]?.answer }
}
