import NodeCore
import Primitives
import Raft
import SecureChannel

// How nodes start, stop, sleep and keep time.
extension World {
    /// Recovers from disk and runs; does nothing to a node that is up. False if the node refuses: a disk that was
    /// harmed on purpose is reason enough; any other refusal is a violation.
    @discardableResult
    package mutating func start(_ node: Int) -> Bool {
        guard !nodes[node].isRunning else { return true }
        nodes[node].life += 1
        nodes[node].wakeAt = .distantFuture
        nodes[node].startRefusal = nil
        do throws(StartRefusal) {
            try boot(node, recovery: try recover(node))
            if nodes[node].life > 1 { faults.note(.restart) }
            return true
        } catch {
            nodes[node].startRefusal = error.reason
            recording?.note(.refused, of: node, at: now)
            trace.note(at: now, "\(nodes[node].name) does not start: \(error.reason)")
            if !nodes[node].disk.isHarmed, !error.isExcused {
                report("\(nodes[node].name) does not start: \(error.reason)")
            }
            return false
        }
    }

    struct StartRefusal: Error {
        let reason: String
        var isExcused = false
    }

    /// What the disk holds, if the node may go on with it.
    private mutating func recover(_ node: Int) throws(StartRefusal) -> WALRecovery {
        var recovery: WALRecovery
        do throws(WALError) {
            recovery = try recoverLog(of: node)
        } catch {
            throw StartRefusal(reason: "\(error)")
        }
        if nodes[node].disk.isForgetful { votes.forget(nodes[node].replica) }
        if case .newReplica(let reason) = recovery.verdict {
            guard nodes.count > 1 else { throw StartRefusal(reason: "\(reason)") }
            recovery = try becomeAnotherReplica(node)
        }
        if nodes[node].disk.trouble?.unreadable.isEmpty == false { faults.note(.readError) }
        return recovery
    }

    private mutating func boot(_ node: Int, recovery: WALRecovery) throws(StartRefusal) {
        if let failure = runAtOnce(recovery.repairs, on: node) {
            throw StartRefusal(reason: "its disk is \(failure)", isExcused: true)
        }
        let brain = NodeBrain(
            setup: provision.setup(for: nodes[node], among: nodes), recovery: recovery, sealer: makeSealer(for: node),
            random: random.fork(), now: nodes[node].clock.local(now), into: &effects)
        nodes[node].boot(brain)
        if case .faulty = recovery.verdict { nodes[node].isFaulty = true }
        checkMemory(of: node)
        recording?.note(.up, of: node, at: now)
        runEffects(of: node)
        queue.add(.wallClock(node, life: nodes[node].life), at: now)
    }

    /// Starts the node after a while, unless something else was done with it by then.
    package mutating func start(_ node: Int, after delay: Duration) {
        guard !nodes[node].isRunning else { return }
        queue.add(.start(node, life: nodes[node].life), at: now + delay)
    }

    /// Starts the node with another heartbeat interval than before.
    package mutating func startReconfigured(_ node: Int, heartbeatInterval: Duration) {
        guard !nodes[node].isRunning else { return }
        faults.note(.newConfiguration)
        nodes[node].heartbeatInterval = heartbeatInterval
        start(node)
    }

    /// Ends a process that no longer takes part, as whoever supervises it does.
    mutating func restartIfHalted(_ node: Int) {
        guard isHalted(node) else { return }
        stop(node, cutsPower: false)
        start(node)
    }

    /// The power goes while recovery repairs the disk: after `operations` of its steps, or all if they are fewer.
    package mutating func startAndCutPower(_ node: Int, afterRepairs operations: Int) {
        guard !nodes[node].isRunning, let recovery = try? recover(node) else { return }
        for operation in recovery.repairs.prefix(operations) {
            nodes[node].disk.begin(operation)
            if random.chance(1, in: 2) { nodes[node].disk.finishSync(operation) }
        }
        faults.note(.powerCutInRecovery)
        nodes[node].disk.cutPower(random: &random)
        nodes[node].life += 1
    }

    /// Ends the process. `cutsPower` also loses what was not synced.
    package mutating func stop(_ node: Int, cutsPower: Bool) {
        guard nodes[node].isRunning else { return }
        nodes[node].shutDown()
        recording?.note(.down, of: node, at: now)
        faults.note(cutsPower ? .powerCut : .crash)
        if cutsPower {
            nodes[node].disk.cutPower(random: &random)
            restartClock(of: node)
        } else {
            nodes[node].disk.killProcess()
        }
        trace.record(cutsPower ? 5 : 4, node: node, at: now)
    }

    /// Stops the process for a while (SIGSTOP, a suspended laptop) without it noticing.
    package mutating func pause(_ node: Int, for span: Duration) {
        guard nodes[node].isAwake else { return }
        faults.note(span < .seconds(5) ? .pause : .suspend)
        nodes[node].pause(at: now)
        recording?.note(.paused, of: node, at: now)
        queue.add(.resume(node), at: now + span)
    }

    mutating func resume(_ node: Int) {
        guard let since = nodes[node].pausedSince else { return }
        nodes[node].wake()
        recording?.note(.resumed, of: node, at: now)
        let held = nodes[node].held
        nodes[node].held = []
        step(node, .paused(now - since))
        for input in held { step(node, input) }
        step(node, nil)
    }

    func makeSealer(for node: Int) -> any FrameSealer {
        guard isSealed else {
            return ClearFrameSealer(me: node, nodes: nodes.map(\.id), bootEpoch: UInt32(nodes[node].life))
        }
        return PeerSessions(
            keys: nodes[node].keptKeys
                ?? .simulated(cluster: Provision.cluster, nodes: nodes.map(\.id), me: node),
            bootEpoch: UInt64(nodes[node].life),
            entropy: SeededEntropy(seed: settings.seed &+ UInt64(node) &+ UInt64(nodes[node].life) << 32))
    }
}
