import Authority
import NodeCore
import Primitives
import SecureChannel
import Synchronization

/// A core node's data keys, for all that seal or open values. They follow the log by themselves: whoever asks for a key that
/// a rotation brought gets it out of the state in hand (`DataKeyRotation`), so nobody waits for a file or for another node.
package final class SharedDataKeys: Sendable {
    package enum Finding: Sendable {
        case held(SecretBytes)
        /// The mesh has no data key of that epoch: an older program made it, or replaced its secret.
        case none
        /// Others have it.
        case missing
    }

    private struct State {
        var keys: DataKeys
        var hasChanged = false
        /// The last rotation that was looked into; opening a copy costs some Diffie-Hellman, so each is tried once.
        var tried: UInt32 = 0
    }

    private let state: Mutex<State>
    private let me: NodeID
    private let exchange: ExchangeKeyPair
    /// nil: nothing is kept (tests).
    private let path: String?
    package let cluster: [UInt8]

    package init(_ keys: DataKeys, of identity: Identity, path: String? = nil) {
        state = Mutex(State(keys: keys))
        cluster = keys.cluster
        me = identity.nodeID
        exchange = identity.exchange
        self.path = path
    }

    package func find(_ epoch: UInt32, _ authority: AuthorityState) -> Finding {
        let secrets = authority.roster.secrets
        return state.withLock { state in
            Self.follow(secrets, me, exchange, &state)
            if let key = state.keys.key(of: epoch) { return .held(key) }
            guard let rotation = secrets.rotation, rotation.dataKey != nil else {
                return authority.values.sealedCount > 0 ? .missing : .none
            }
            // Who drew the newest put in all that there were.
            return epoch < rotation.epoch && state.keys.key(of: rotation.epoch) != nil ? .none : .missing
        }
    }

    /// With what the log brought up to here; for a core node that joins.
    func all(following secrets: SecretTable) -> DataKeys {
        state.withLock { state in
            Self.follow(secrets, me, exchange, &state)
            return state.keys
        }
    }

    /// Epochs that are held, ascending.
    package var epochs: [UInt32] { state.withLock { $0.keys.keys.map(\.epoch) } }

    func forget(_ epochs: Set<UInt32>) {
        state.withLock { if $0.keys.forget(epochs) { $0.hasChanged = true } }
    }

    /// Blocks while it writes what has changed; false if nothing had.
    func keep() throws(ConfigError) -> Bool {
        let changed = state.withLock { state -> DataKeys? in
            defer { state.hasChanged = false }
            return state.hasChanged ? state.keys : nil
        }
        guard let changed, let path else { return false }
        var text = changed.encodeKeyFile()
        defer { SecretBytes.erase(&text) }
        do throws(ConfigError) { try PrivateFile.replace(path, text) } catch {
            state.withLock { $0.hasChanged = true }
            throw error
        }
        return true
    }

    private static func follow(
        _ secrets: SecretTable, _ me: NodeID, _ exchange: ExchangeKeyPair, _ state: inout State
    ) {
        guard let rotation = secrets.rotation, rotation.epoch != state.tried, let dataKey = rotation.dataKey else {
            return
        }
        state.tried = rotation.epoch
        guard let copy = dataKey.copy(for: me) else { return }
        let isNew = state.keys.install(
            copy: copy.sealed, older: dataKey.older, epoch: rotation.epoch, node: me, exchange: exchange)
        if isNew { state.hasChanged = true }
    }
}
