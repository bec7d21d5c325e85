import Authority
import Gossip
import Logging
import NodeCore
import Primitives
import SecureChannel
import ServiceLifecycle

/// What core nodes do about data keys beside requests: keep what the log brings on disk, seal older values under the newest
/// key, and forget keys that nothing lies under any more.
///
///     activateSecret ──> values under older epochs, or clear ──> resealValue, some at a time ──> old keys are forgotten
package struct DataKeyService: Service {
    private static let interval: Duration = .milliseconds(500)
    /// One batch: what a log under load bears beside its clients.
    private static let batchMax = 64
    private static let batchBytesMax = 1 << 20
    private static let pause: Duration = .milliseconds(100)
    /// After a look at nothing but values that do not open: not twice a second.
    private static let retryAfter: Duration = .seconds(60)

    private let core: any MeshCore
    private let keys: SharedDataKeys
    private let logger: Logger

    package init(core: any MeshCore, keys: SharedDataKeys, logger: Logger) {
        self.core = core
        self.keys = keys
        self.logger = logger
    }

    private var vault: ValueVault { ValueVault(keys: keys) }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var memory = Memory()
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.interval)
                await tend(&memory)
            }
        }
    }

    /// From one look to the next.
    private struct Memory {
        /// Epochs that nothing lay under. They are forgotten a look later: a request under way may still read an older view.
        var unused: Set<UInt32> = []
        /// Not before then, as long as this epoch is active.
        var resealing: (epoch: UInt32, notBefore: Instant)?
    }

    private func tend(_ memory: inout Memory) async {
        let view = core.view
        _ = keys.all(following: view.authority.roster.secrets)
        if isMine(view) { await reseal(&memory) }
        let unused = unused(core.view)
        keys.forget(memory.unused.intersection(unused))
        memory.unused = unused
        do throws(ConfigError) {
            if try keys.keep() {
                logger.notice("data keys kept", metadata: ["epochs": "\(keys.epochs)"])
            }
        } catch {
            logger.error("the data keys could not be written", metadata: ["reason": "\(error)"])
        }
    }

    private func unused(_ view: ClusterView) -> Set<UInt32> {
        let needed = Set(view.authority.values.epochs)
        return Set(keys.epochs.filter { $0 < view.authority.roster.secrets.active }).subtracting(needed)
    }

    /// One node is enough: the primary, or if that is an edge node, the first core node. Two that think so do no harm.
    private func isMine(_ view: ClusterView) -> Bool {
        guard view.mayGrant(view.me), let primary = view.primary(at: core.now()) else { return false }
        if view.mayGrant(primary) { return primary == view.me }
        let present = view.members.filter { $0.isSelf || $0.state == .alive }.map(\.id).filter { view.mayGrant($0) }
        return present.min() == view.me
    }

    private func reseal(_ memory: inout Memory) async {
        let view = core.view
        let epoch = view.authority.roster.secrets.active
        guard view.authority.featureLevel >= .sealedValues, case .held = keys.find(epoch, view.authority) else {
            return
        }
        if let last = memory.resealing, last.epoch == epoch, core.now() < last.notBefore { return }
        let waiting = view.authority.values.keys(notUnder: epoch)
        guard !waiting.isEmpty else { return }
        var (done, failed, place) = (0, 0, 0)
        while place < waiting.count, !Task.isCancelled, core.view.authority.roster.secrets.active == epoch {
            let batch = batch(waiting, from: place)
            place = batch.next
            failed += batch.failed
            guard let count = await submit(batch.commands) else { break }
            done += count
            try? await Task.sleep(for: Self.pause)
        }
        if done == 0, failed > 0 { memory.resealing = (epoch, core.now() + Self.retryAfter) }
        logger.notice(
            "values sealed under the newest data key",
            metadata: ["epoch": "\(epoch)", "values": "\(done)", "of": "\(waiting.count)"])
    }

    private func batch(
        _ waiting: [ValueKey], from start: Int
    ) -> (commands: [AuthorityCommand], failed: Int, next: Int) {
        let view = core.view
        var (commands, failed, bytes, place) = ([AuthorityCommand](), 0, 0, start)
        while place < waiting.count, commands.count < Self.batchMax, bytes < Self.batchBytesMax {
            let key = waiting[place]
            place += 1
            do throws(Problem) {
                guard let command = try vault.command(resealing: key, view) else { continue }
                commands.append(command)
                bytes += view.authority.values[key]?.bytes.count ?? 0
            } catch {
                failed += 1
                logger.warning(
                    "a value cannot be sealed anew", metadata: ["key": "\(key)", "reason": "\(error.detail)"])
            }
        }
        return (commands, failed, place)
    }

    /// How many were sealed; nil if the mesh does not take commands now.
    private func submit(_ commands: [AuthorityCommand]) async -> Int? {
        await withTaskGroup(of: Bool?.self) { group in
            for command in commands {
                group.addTask { [core] in (try? await core.submit(command)).map { $0.reply == .done } }
            }
            var (count, isRefused) = (0, false)
            for await outcome in group {
                if outcome == true { count += 1 }
                if outcome == nil { isRefused = true }
            }
            return isRefused ? nil : count
        }
    }
}
