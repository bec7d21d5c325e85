import Synchronization

/// How many event streams may be open at once, in all and for one user. Each costs a rendered status document whenever
/// the mesh changes.
final class StreamQuota: Sendable {
    static let totalMax = 256
    static let perUserMax = 32

    private let taken = Mutex<[String: Int]>([:])

    /// Nil when full. A seat is free again when it is forgotten.
    func take(_ user: String) -> Seat? {
        let isFree = taken.withLock { taken in
            guard taken[user, default: 0] < Self.perUserMax, taken.values.reduce(0, +) < Self.totalMax else {
                return false
            }
            taken[user, default: 0] += 1
            return true
        }
        return isFree ? Seat(quota: self, user: user) : nil
    }

    private func leave(_ user: String) {
        taken.withLock { taken in
            let left = taken[user, default: 1] - 1
            taken[user] = left == 0 ? nil : left
        }
    }

    final class Seat: Sendable {
        private let quota: StreamQuota
        private let user: String

        fileprivate init(quota: StreamQuota, user: String) {
            self.quota = quota
            self.user = user
        }

        deinit { quota.leave(user) }
    }
}
