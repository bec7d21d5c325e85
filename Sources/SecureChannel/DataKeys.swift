import Primitives

/// The keys under which core nodes seal shared values, by epoch; edge nodes store what is sealed and hold none.
///
/// An epoch is that of the cluster's secret (`Keyring`): who draws a new secret draws a data key with it, and one activation
/// serves both. Older ones are held for as long as values lie under them.
package struct DataKeys: Sendable {
    package static let keyByteCount = 32
    /// Beyond this the oldest is forgotten. More than can be needed: `DataKeyDraft.olderMax` and those that replace them.
    package static let heldMax = 40
    private static let kind = "meshnode data keys"

    package let cluster: [UInt8]
    /// Ascending by epoch.
    package private(set) var keys: [(epoch: UInt32, key: SecretBytes)] = []

    package init(cluster: [UInt8]) {
        precondition(cluster.count == ClusterKey.idByteCount, "a cluster id of \(cluster.count) bytes")
        self.cluster = cluster
    }

    /// With the key that a mesh begins with.
    package static func generate(cluster: [UInt8], from entropy: inout some Entropy) -> DataKeys {
        var keys = DataKeys(cluster: cluster)
        _ = keys.install(SecretBytes(random: keyByteCount, from: &entropy), epoch: Keyring.firstEpoch)
        return keys
    }

    package func key(of epoch: UInt32) -> SecretBytes? { keys.first { $0.epoch == epoch }?.key }

    /// Takes a key in; false if one of that epoch is held: what is held is never replaced.
    package mutating func install(_ key: SecretBytes, epoch: UInt32) -> Bool {
        precondition(key.count == Self.keyByteCount, "a data key has \(Self.keyByteCount) bytes, not \(key.count)")
        guard epoch > 0, self.key(of: epoch) == nil else { return false }
        keys.insert((epoch, key), at: keys.firstIndex { $0.epoch > epoch } ?? keys.count)
        if keys.count > Self.heldMax { keys.removeFirst() }
        return true
    }

    /// Forgets those that nothing lies under any more; false if nothing changed.
    package mutating func forget(_ epochs: some Collection<UInt32>) -> Bool {
        let count = keys.count
        keys.removeAll { epochs.contains($0.epoch) }
        return keys.count < count
    }
}

// MARK: - Values

extension DataKeys {
    /// What a seal adds to a value.
    package static let overhead = SealedBytes.overhead

    /// Bound to cluster, epoch and name: moved to another place, it does not open.
    package static func seal(
        _ value: [UInt8], named name: [UInt8], key: SecretBytes, epoch: UInt32, cluster: [UInt8],
        entropy: inout some Entropy
    ) -> [UInt8] {
        SealedBytes.seal(
            value, key: key, context: context(named: name, epoch: epoch, cluster: cluster), entropy: &entropy)
    }

    /// Nil if it was not sealed under this key, for this place.
    package static func open(
        _ sealed: [UInt8], named name: [UInt8], key: SecretBytes, epoch: UInt32, cluster: [UInt8]
    ) -> [UInt8]? {
        SealedBytes.open(sealed, key: key, context: context(named: name, epoch: epoch, cluster: cluster))
    }

    private static func context(named name: [UInt8], epoch: UInt32, cluster: [UInt8]) -> [UInt8] {
        Array("meshnode value".utf8) + cluster + Keyring.bytes(epoch) + name
    }
}

// MARK: - Replacing

/// A new data key as it travels in the log: a copy for each core node, and under the key itself the older ones that values
/// still lie under. So whoever opens a copy can read everything, however long it was away.
package struct DataKeyDraft: Sendable {
    /// Older keys that go along, at most.
    package static let olderMax = 32
    package static let copyByteCount = DataKeys.keyByteCount + SealedSecret.overhead
    package static let olderBytesMax = olderMax * (4 + DataKeys.keyByteCount) + SealedBytes.overhead

    /// In the order of the recipients, without those whose key is unusable.
    package let copies: [(node: NodeID, sealed: [UInt8])]
    /// `(epoch 4 | key 32) ...`, sealed. Its opening also proves that the key is the one that was meant.
    package let older: [UInt8]

    /// Traps on more than `olderMax` older keys.
    package init(
        epoch: UInt32, cluster: [UInt8], recipients: [(node: NodeID, exchangeKey: [UInt8])],
        older: [(epoch: UInt32, key: SecretBytes)], entropy: inout some Entropy
    ) {
        precondition(older.count <= Self.olderMax, "\(older.count) older data keys")
        let key = SecretBytes(random: DataKeys.keyByteCount, from: &entropy)
        var copies: [(node: NodeID, sealed: [UInt8])] = []
        for recipient in recipients {
            let context = Self.context(cluster: cluster, epoch: epoch, node: recipient.node)
            let sealed = SealedSecret.seal(key, to: recipient.exchangeKey, context: context, entropy: &entropy)
            if let sealed { copies.append((recipient.node, sealed)) }
        }
        self.copies = copies
        var clear: [UInt8] = []
        // All at once, or a copy of what it held would be left behind as it grows.
        clear.reserveCapacity(older.count * (4 + DataKeys.keyByteCount))
        defer { SecretBytes.erase(&clear) }
        for held in older {
            clear += Keyring.bytes(held.epoch)
            held.key.withUnsafeBytes { clear.append(contentsOf: $0) }
        }
        self.older = SealedBytes.seal(
            clear, key: key, context: Self.olderContext(cluster: cluster, epoch: epoch), entropy: &entropy)
    }

    fileprivate static func context(cluster: [UInt8], epoch: UInt32, node: NodeID) -> [UInt8] {
        Array("meshnode data key".utf8) + cluster + Keyring.bytes(epoch) + node.bytes
    }

    fileprivate static func olderContext(cluster: [UInt8], epoch: UInt32) -> [UInt8] {
        Array("meshnode older data keys".utf8) + cluster + Keyring.bytes(epoch)
    }
}

extension DataKeys {
    /// Takes in what a rotation brings for this node. False if nothing changed: also where the copy does not open, or does
    /// not belong to what is sealed beside it.
    package mutating func install(
        copy: [UInt8], older: [UInt8], epoch: UInt32, node: NodeID, exchange: ExchangeKeyPair
    ) -> Bool {
        guard key(of: epoch) == nil else { return false }
        let context = DataKeyDraft.context(cluster: cluster, epoch: epoch, node: node)
        guard let key = SealedSecret.open(copy, with: exchange, context: context), key.count == Self.keyByteCount,
            var clear = SealedBytes.open(
                older, key: key, context: DataKeyDraft.olderContext(cluster: cluster, epoch: epoch)),
            clear.count.isMultiple(of: 4 + Self.keyByteCount)
        else { return false }
        defer { SecretBytes.erase(&clear) }
        for start in stride(from: 0, to: clear.count, by: 4 + Self.keyByteCount) {
            guard let before = Keyring.epoch(Array(clear[start..<start + 4])), before < epoch else { continue }
            var raw = Array(clear[start + 4..<start + 4 + Self.keyByteCount])
            _ = install(SecretBytes(copying: raw), epoch: before)
            SecretBytes.erase(&raw)
        }
        return install(key, epoch: epoch)
    }
}

// MARK: - On disk

extension DataKeys {
    /// Text for a file of mode 0600: `cluster`, then a line `key` for each, epoch first.
    package func encodeKeyFile() -> [UInt8] {
        let lines = keys.map { ("key", Keyring.bytes($0.epoch) + $0.key.withUnsafeBytes(Array.init)) }
        return KeyFile.encode(kind: Self.kind, lines: [("cluster", cluster)] + lines)
    }

    package init(keyFile: [UInt8]) throws(KeyFileError) {
        let lines = try KeyFile.decodeLines(keyFile, kind: Self.kind)
        guard let first = lines.first, first.name == "cluster", first.value.count == ClusterKey.idByteCount,
            lines.count <= 1 + Self.heldMax
        else { throw .damaged }
        self.init(cluster: first.value)
        for line in lines.dropFirst() {
            guard line.name == "key", line.value.count == 4 + Self.keyByteCount,
                let epoch = Keyring.epoch(Array(line.value.prefix(4))), keys.last.map({ $0.epoch < epoch }) ?? true
            else { throw .badField("key") }
            var raw = Array(line.value.dropFirst(4))
            _ = install(SecretBytes(copying: raw), epoch: epoch)
            SecretBytes.erase(&raw)
        }
    }
}
