import Authority
import Dispatch
import Foundation
import HTTPTypes
import NodeCore
import Primitives
import SecureChannel
import Synchronization

/// Hashes and checks passwords away from every event loop, at most two at a time: Argon2id takes tens of milliseconds
/// and its whole memory budget for each. What waits is bounded too; beyond that, the answer is "try again".
///
/// A verifier that begins with `k1` is of a password that the core key was mixed into; others are of older meshes.
package final class PasswordChecker: Sendable {
    /// Two lanes of `PasswordHash.Limits.standard` hold 38 MiB while both work.
    private static let laneCount = 2
    private static let pendingCountMax = 64
    /// A longer password is refused unseen.
    static let passwordBytesMax = 1024

    private let lanes = (0..<laneCount).map { DispatchQueue(label: "meshnode.password.\($0)") }
    /// How many wait or run in each lane.
    private let pending = Mutex<[Int]>(Array(repeating: 0, count: laneCount))
    private static let keyedMark = "k1"
    private let limits: PasswordHash.Limits
    private let coreKey: CoreKey?
    /// Checked when there is no such user, so that the time to answer does not tell.
    private let decoy: String

    /// Without a core key, passwords are hashed as they are, and keyed verifiers cannot be checked.
    package init(limits: PasswordHash.Limits = .standard, coreKey: CoreKey? = nil) throws(StartFailure) {
        self.limits = limits
        self.coreKey = coreKey
        do { decoy = try PasswordHash.make(BrowserCookie.drawSecret(), limits: limits) } catch {
            throw StartFailure(
                "there is not enough memory to check passwords: \(limits.memoryBytes) bytes are needed at a time")
        }
    }

    /// Whether the password is right. False, after the same work, where `verifier` is nil.
    package func verify(_ password: String, against verifier: PasswordVerifier?) async throws(Problem) -> Bool {
        let normal = password.normalised
        let encoded = verifier?.encoded ?? decoy
        guard encoded.hasPrefix(Self.keyedMark) else {
            let matches = try await inLane { PasswordHash.verify(normal, against: encoded) }
            return matches && verifier != nil
        }
        guard let coreKey else { throw .noCoreKey }
        let hash = String(encoded.dropFirst(Self.keyedMark.count))
        return try await inLane { PasswordHash.verify(coreKey.mixed(into: normal), against: hash) }
    }

    /// Refuses where others' verifiers need the core key and this node has lost it: without, the new one would be worth
    /// guessing at on any edge node's disk.
    package func makeVerifier(_ password: String, like others: UserTable) async throws(Problem) -> PasswordVerifier {
        guard coreKey != nil || !others.sorted.contains(where: { $0.verifier.encoded.hasPrefix(Self.keyedMark) }) else {
            throw .noCoreKey
        }
        let (limits, coreKey) = (limits, coreKey)
        let made = try await inLane { Self.makeVerifier(password, limits: limits, coreKey: coreKey) }
        guard let made else { throw .core(.overloaded) }
        return made
    }

    /// Blocks while it hashes. Nil where the system lacks the memory.
    package static func makeVerifier(
        _ password: String, limits: PasswordHash.Limits = .standard, coreKey: CoreKey? = nil
    ) -> PasswordVerifier? {
        let normal = password.normalised
        let hash = try? PasswordHash.make(coreKey?.mixed(into: normal) ?? normal, limits: limits)
        return hash.flatMap { PasswordVerifier(encoded: (coreKey == nil ? "" : keyedMark) + $0) }
    }

    private func inLane<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async throws(Problem) -> Value {
        let lane = pending.withLock { pending -> Int? in
            guard pending.reduce(0, +) < Self.pendingCountMax else { return nil }
            let shortest = pending.indices.min { pending[$0] < pending[$1] }!  // there are lanes
            pending[shortest] += 1
            return shortest
        }
        guard let lane else { throw .core(.overloaded) }
        return await withCheckedContinuation { continuation in
            lanes[lane].async { [self] in
                let value = work()
                pending.withLock { $0[lane] -= 1 }
                continuation.resume(returning: value)
            }
        }
    }
}

extension Problem {
    fileprivate static var noCoreKey: Problem {
        Problem(
            "no-core-key", .serviceUnavailable, "No core key",
            detail:
                "This node lacks the file core.key, without which it can check no password. Copy it from another core node's "
                + "data directory, or sign in at another node.")
    }
}
