import Primitives

/// The cluster's secrets as one node holds them, by epoch. Each handshake names its epoch, so none is ever tried.
///
///     past ...  |  oldest ... active ... newest
///     '- hand-over only     '- begun with  '- answered, too: others may have heard first
///
/// A node that was away while the secret was rotated knows only a past one. A handshake under that gets it the active one and
/// nothing else (`PeerSessions`); past ones are kept for this alone.
package struct Keyring: Sendable {
    package static let firstEpoch: UInt32 = 1
    /// Past secrets beyond this are forgotten, the oldest first: who was away for longer is admitted anew.
    package static let pastMax = 8
    /// Those that are answered fully: what is in use, what it replaces, and what replaces it.
    private static let liveMax = 4

    package struct Secret: Sendable {
        package let epoch: UInt32
        package let secret: SecretBytes
        let preSharedKey: SecretBytes
    }

    package let cluster: [UInt8]
    /// Ascending by epoch.
    package private(set) var secrets: [Secret]
    /// What this node begins handshakes with.
    package private(set) var active: UInt32
    /// The oldest epoch that is answered fully.
    package private(set) var oldest: UInt32

    package init(_ key: ClusterKey, epoch: UInt32 = firstEpoch) {
        cluster = key.id
        secrets = [Self.make(epoch, key.secret, cluster: key.id)]
        active = epoch
        oldest = epoch
    }

    /// The newest epoch that this node holds; it may not be active yet.
    package var newest: UInt32 { secrets.last?.epoch ?? 0 }
    package func holds(_ epoch: UInt32) -> Bool { secrets.contains { $0.epoch == epoch } }
    package var activeSecret: SecretBytes { secret(of: active).secret }

    func preSharedKey(of epoch: UInt32) -> SecretBytes? { secrets.first { $0.epoch == epoch }?.preSharedKey }
    /// What handshakes begin with.
    var activeKey: SecretBytes { secret(of: active).preSharedKey }

    /// Takes a secret in; false if one of that epoch, or only newer ones, are held: what is held is never replaced.
    package mutating func install(_ secret: SecretBytes, epoch: UInt32) -> Bool {
        guard !holds(epoch), epoch > active else { return false }
        let place = secrets.firstIndex { $0.epoch > epoch } ?? secrets.count
        secrets.insert(Self.make(epoch, secret, cluster: cluster), at: place)
        if secrets.count > Self.pastMax + Self.liveMax { secrets.removeFirst() }
        return true
    }

    /// Begins handshakes with this epoch from now on, if it is held and newer. Returns whether anything changed.
    package mutating func activate(_ epoch: UInt32) -> Bool {
        guard epoch > active, holds(epoch) else { return false }
        active = epoch
        return true
    }

    /// Epochs before this are past. Never beyond the active one: a node must be able to answer what it asks.
    package mutating func retire(before epoch: UInt32) -> Bool {
        let limit = min(epoch, active)
        guard limit > oldest else { return false }
        oldest = limit
        let past = secrets.count { $0.epoch < oldest }
        if past > Self.pastMax { secrets.removeFirst(past - Self.pastMax) }
        return true
    }

    package func checkInvariants() {
        precondition(holds(active), "the active epoch \(active) is not held")
        precondition(oldest <= active, "epoch \(oldest) is the oldest, but \(active) is active")
        precondition(
            zip(secrets, secrets.dropFirst()).allSatisfy { $0.epoch < $1.epoch }, "epochs of a keyring are not in order"
        )
    }

    private func secret(of epoch: UInt32) -> Secret {
        guard let held = secrets.first(where: { $0.epoch == epoch }) else {
            preconditionFailure("epoch \(epoch) is not held")
        }
        return held
    }

    private static func make(_ epoch: UInt32, _ secret: SecretBytes, cluster: [UInt8]) -> Secret {
        Secret(
            epoch: epoch, secret: secret, preSharedKey: ClusterKey(id: cluster, secret: secret).derive("channel 1"))
    }
}

// MARK: - On disk

extension Keyring {
    private static let kind = "meshnode cluster secrets"

    /// Text for a file of mode 0600: `cluster`, `active`, `oldest`, then a line `secret` for each, epoch first.
    package func encodeKeyFile() -> [UInt8] {
        var lines = [("cluster", cluster), ("active", Self.bytes(active)), ("oldest", Self.bytes(oldest))]
        for held in secrets {
            lines.append(("secret", Self.bytes(held.epoch) + held.secret.withUnsafeBytes(Array.init)))
        }
        return KeyFile.encode(kind: Self.kind, lines: lines)
    }

    package init(keyFile: [UInt8]) throws(KeyFileError) {
        let lines = try KeyFile.decodeLines(keyFile, kind: Self.kind)
        guard lines.count >= 4, lines.count <= 3 + Self.pastMax + Self.liveMax,
            lines.prefix(3).map(\.name) == ["cluster", "active", "oldest"],
            lines[0].value.count == ClusterKey.idByteCount
        else { throw .damaged }
        guard let active = Self.epoch(lines[1].value), let oldest = Self.epoch(lines[2].value), oldest <= active else {
            throw .badField("active")
        }
        cluster = lines[0].value
        self.active = active
        self.oldest = oldest
        secrets = []
        for line in lines.dropFirst(3) {
            guard line.name == "secret", line.value.count == 4 + ClusterKey.secretByteCount,
                let epoch = Self.epoch(Array(line.value.prefix(4))), secrets.last.map({ $0.epoch < epoch }) ?? true
            else { throw .badField("secret") }
            var raw = Array(line.value.dropFirst(4))
            secrets.append(Self.make(epoch, SecretBytes(copying: raw), cluster: cluster))
            SecretBytes.erase(&raw)
        }
        guard holds(active) else { throw .badField("active") }
    }

    static func bytes(_ epoch: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: epoch >> (24 - 8 * UInt32($0))) }
    }

    static func epoch(_ bytes: [UInt8]) -> UInt32? {
        guard bytes.count == 4 else { return nil }
        let epoch = bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return epoch > 0 ? epoch : nil
    }
}
