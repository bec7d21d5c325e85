import NodeCore
import Primitives
import Raft
import SecureChannel

// How nodes start, stop, sleep and keep time.
extension World {
    /// Recovers from disk and runs; does nothing to a node that is up.
    package mutating func start(_ node: Int) {
        guard !nodes[node].isRunning else { return }
        nodes[node].life += 1
        nodes[node].wakeAt = .distantFuture
        var recovery: WALRecovery
        do throws(WALError) {
            recovery = try recoverLog(of: node)
            if case .newReplica = recovery.verdict {
                becomeAnotherReplica(node)
                recovery = try recoverLog(of: node)
            }
        } catch {
            report("\(nodes[node].name) could not recover its log: \(error)")
            return
        }
        runAtOnce(recovery.repairs, on: node)
        let brain = NodeBrain(
            setup: provision.setup(for: nodes[node], among: nodes), recovery: recovery, sealer: makeSealer(for: node),
            random: random.fork(), now: nodes[node].clock.local(now), into: &effects)
        nodes[node].boot(brain)
        runEffects(of: node)
        queue.add(.wallClock(node, life: nodes[node].life), at: now)
    }

    /// Ends the process. `cutsPower` also loses what was not synced.
    package mutating func stop(_ node: Int, cutsPower: Bool) {
        guard nodes[node].isRunning else { return }
        nodes[node].shutDown()
        if cutsPower { nodes[node].disk.cutPower(random: &random) } else { nodes[node].disk.killProcess() }
        trace.record(cutsPower ? 5 : 4, node: node, at: now)
    }

    /// Stops the process for a while (SIGSTOP, a suspended laptop) without it noticing.
    package mutating func pause(_ node: Int, for span: Duration) {
        guard nodes[node].isAwake else { return }
        nodes[node].pause(at: now)
        queue.add(.resume(node), at: now + span)
    }

    mutating func resume(_ node: Int) {
        guard let since = nodes[node].pausedSince else { return }
        nodes[node].wake()
        let held = nodes[node].held
        nodes[node].held = []
        step(node, .paused(now - since))
        for input in held { step(node, input) }
        step(node, nil)
    }

    func makeSealer(for node: Int) -> any FrameSealer {
        let isSealed = settings.isSealed ?? settings.seed.isMultiple(of: 16)
        guard isSealed else {
            return ClearFrameSealer(me: node, nodes: nodes.map(\.id), bootEpoch: UInt32(nodes[node].life))
        }
        return SharedKeyFrameSealer(
            cluster: ClusterKey.simulated(id: Provision.cluster), me: nodes[node].id,
            bootEpoch: UInt64(nodes[node].life), entropy: SeededEntropy(seed: settings.seed &+ UInt64(node)))
    }


    package mutating func setDrift(ppm: Int64, of node: Int) {
        nodes[node].clock.setDrift(ppm: ppm, at: now)
        // Its deadlines fall on other moments of true time now.
        nodes[node].wakeAt = .distantFuture
        scheduleWake(of: node)
    }
}
