import Authority
import Dispatch
import Foundation
import NodeCore
import Primitives
import SecureChannel
import Synchronization

/// Hashes and checks passwords away from every event loop, at most two at a time: Argon2id takes tens of milliseconds
/// and its whole memory budget for each. What waits is bounded too; beyond that, the answer is "try again".
package final class PasswordChecker: Sendable {
    /// Two lanes of `PasswordHash.Limits.standard` hold 38 MiB while both work.
    private static let laneCount = 2
    private static let pendingCountMax = 64
    /// A longer password is refused unseen.
    static let passwordBytesMax = 1024

    private let lanes = (0..<laneCount).map { DispatchQueue(label: "meshnode.password.\($0)") }
    /// How many wait or run in each lane.
    private let pending = Mutex<[Int]>(Array(repeating: 0, count: laneCount))
    private let limits: PasswordHash.Limits
    /// Checked when there is no such user, so that the time to answer does not tell.
    private let decoy: String

    package init(limits: PasswordHash.Limits = .standard) throws(StartFailure) {
        self.limits = limits
        do { decoy = try PasswordHash.make(BrowserCookie.drawSecret(), limits: limits) } catch {
            throw StartFailure(
                "there is not enough memory to check passwords: \(limits.memoryBytes) bytes are needed at a time")
        }
    }

    /// Whether the password is right. False, after the same work, where `verifier` is nil.
    func verify(_ password: String, against verifier: PasswordVerifier?) async throws(Problem) -> Bool {
        let normal = password.normalised
        let encoded = verifier?.encoded ?? decoy
        let matches = try await inLane { PasswordHash.verify(normal, against: encoded) }
        return matches && verifier != nil
    }

    func makeVerifier(_ password: String) async throws(Problem) -> PasswordVerifier {
        let limits = limits
        let made = try await inLane { Self.makeVerifier(password, limits: limits) }
        guard let made else { throw .core(.overloaded) }
        return made
    }

    /// Blocks while it hashes. Nil where the system lacks the memory.
    package static func makeVerifier(_ password: String, limits: PasswordHash.Limits = .standard) -> PasswordVerifier? {
        (try? PasswordHash.make(password.normalised, limits: limits)).flatMap(PasswordVerifier.init(encoded:))
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
